"""What servers and poolers say when they refuse a connection, what it means and what to do.

The words are those of PostgreSQL 9.6 to 18, libpq 18, PgBouncer 1.18 to 1.25 and Supavisor (Supabase's shared pooler):
its codes are those of 2.9.7, and the words without a code those of its releases before March 2026.
"""

import re
from typing import NamedTuple

from leads.delivery.fault import Fault

# For how long no process of a machine tries again. fail2ban, which guards Supabase's databases, bans an address after
# three wrong passwords in ten minutes. One try in eleven minutes leaves a person the second.
PASSWORD_PAUSE_S = 660.0
# A refusal that is not for the password gets nobody banned. Supavisor's own breaker blocks an address for 120 s.
PAUSE_S = 130.0


class Refusal(NamedTuple):
    """A kind of refusal.

    fault: its kind for the breaker; found: the cause; cure: what to do; words: a pattern for the message, in lower case
    and English; codes: Supavisor's; is_password: whether a ban counts it; pause_s: for AUTH, for how long nobody tries.
    """

    fault: Fault
    found: str
    cure: str
    words: str = ""
    codes: tuple[str, ...] = ()
    is_password: bool = False
    pause_s: float = PAUSE_S

    def is_said_in(self, words: str) -> bool:
        return bool(self.words and re.search(self.words, words, re.DOTALL))


FEWER = "Lower WEB_CONCURRENCY or WEB_THREADS, end what else is connected,"
COPY_USER = "copy the URL again: user postgres.PROJECT, and the host of its region."

NOTHING_LISTENS = Refusal(
    Fault.INFRASTRUCTURE,
    "nothing listens there: Postgres is stopped, or the host or the port is wrong",
    "Start Postgres, or correct the host and the port (Supabase: 5432, or 6543 for the transaction pooler).",
    words="connection refused",
)
# The same, after a password was refused.
BANNED = Refusal(
    Fault.INFRASTRUCTURE,
    "nothing listens there any more since a password was refused: the host has banned this address (Supabase: for half "
    "an hour), or Postgres is stopped",
    "Put the right password into DATABASE_URL first. Then lift the ban (Supabase: Database settings, Network bans) or "
    "wait until it ends. If Postgres is stopped, start it.",
)
# Postgres answers neither yes nor no.
NO_ANSWER = Refusal(
    Fault.TIMEOUT,
    "no answer in time: the server hangs, or a firewall drops what is sent",
    "Look at the server (Supabase: status.supabase.com, or restart the project); allow this address in its firewall "
    "(Supabase: Network restrictions).",
    words="timeout expired|connection timed out",
)
# Of several that fit, the first counts. Two have a code in common where its words tell them apart; without these, the
# first counts as well.
REFUSALS = (
    # --- Who asks ---------------------------------------------------------------------------------------------------
    Refusal(
        Fault.AUTH,
        "the pooler refuses this address for a while, after wrong passwords",
        "Stop the site, put the right password into DATABASE_URL, wait three minutes, start.",
        words=r"circuit breaker open|too many authentication (failures|errors)",
        codes=("ECIRCUITBREAKER",),
    ),
    Refusal(
        Fault.AUTH,
        "the pooler cannot get the user's password from Postgres, and takes no connections for half a minute",
        "Restore the project in Supabase's dashboard if it is paused; else see status.supabase.com. Leads wait.",
        words=r"retrieve database credentials|failed attempts to connect to the database",
        codes=("ECIRCUITBREAKER",),
        pause_s=35.0,
    ),
    Refusal(
        Fault.AUTH,
        "Postgres refuses the pooler's own password, or the one that it passes on",
        "Correct the password that the pooler has of Postgres (PgBouncer: auth_file, auth_query), then run `python "
        "manage.py outbox flush`.",
        words=r"server login (has been failing|failed).*(authentication failed|pg_hba\.conf|no such user)",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the pooler cannot read the user's password from Postgres",
        "Restore the project if it is paused. If the pooler does not take the kind of password, set it again in "
        "Supabase's dashboard (Database settings, Reset database password).",
        words=r"auth_query|authentication query|authentication secrets|md5 secrets|secret format|parse scram secret",
        codes=("EAUTHQUERY", "EAUTHSECRETS"),
    ),
    Refusal(
        Fault.AUTH,
        "the password is wrong or has expired (or the user is wrong)",
        "Copy the URL again with the right password, percent-encoded (of one that expired: ALTER ROLE ... VALID UNTIL "
        "'infinity'), then run `python manage.py outbox flush`. Do not try often: three wrong passwords in ten minutes "
        "get the address banned on Supabase. A right password is refused, too, while Supabase hibernates a free "
        "project: open it in the dashboard, and restore it.",
        words=r"(password|sasl|scram|md5|pam|ldap|radius|gssapi|sspi|ident|peer|certificate|\"trust\") "
        r"authentication failed|no such user|user not found in|login rejected|empty password returned|"
        r"authentication failed for user|invalid password|wrong password|password.{1,40}(refused|rejected|expired)",
        codes=("EWRONGPASSWORD", "EJITUNAUTHORIZED", "EAUTHQUERY"),
        is_password=True,
        pause_s=PASSWORD_PAUSE_S,
    ),
    Refusal(
        Fault.AUTH,
        "DATABASE_URL has no password",
        "Add it after the user: postgresql://USER:PASSWORD@HOST...",
        words="no password supplied",
    ),
    Refusal(
        Fault.AUTH,
        "the pooler knows no such project: it is paused, or the user or the host's region is wrong",
        f"Restore the project in Supabase's dashboard if it is paused, else {COPY_USER}",
        words=r"tenant or user not found|tenant/user .*not found|multiple users matched|tenant .*not found",
        codes=("ENOTFOUND", "EMULTIPLEUSERS"),
    ),
    Refusal(
        Fault.AUTH,
        "the user in DATABASE_URL does not name the project",
        f"On the shared pooler the user's name ends in the project: {COPY_USER}",
        words=r"no tenant identifier|invalid format for user or db_name|no username supplied",
        codes=("ENOIDENTIFIER", "EINVALIDUSERINFO"),
    ),
    Refusal(
        Fault.AUTH,
        "Supabase has blocked this project",
        "Look for the reason in Supabase's dashboard (billing, usage), or ask its support. Leads wait meanwhile.",
        words="tenant is banned",
        codes=("EBANNED",),
    ),
    Refusal(
        Fault.AUTH,
        "the project's network restrictions do not allow this machine's address",
        "Add the address in Supabase's dashboard (Database settings, Network restrictions), IPv4 and IPv6.",
        words=r"not in tenant allow_list|address not allowed|not in allow.?list",
        codes=("EADDRNOTALLOWED",),
    ),
    Refusal(
        Fault.AUTH,
        "the server accepts only encrypted connections",
        "Add ?sslmode=require to DATABASE_URL, or set DATABASE_CA.",
        words=r"ssl (connection is )?required",
        codes=("ESSLREQUIRED",),
    ),
    Refusal(
        Fault.AUTH,
        "the server does not accept this address, this user or a connection without TLS",
        "Supabase: Database settings, Network restrictions. Elsewhere: pg_hba.conf; or add ?sslmode=require.",
        words=r"no pg_hba\.conf entry|pg_hba\.conf rejects",
    ),
    Refusal(
        Fault.AUTH,
        "the role may not log in",
        "ALTER ROLE ... LOGIN, or connect as another role.",
        words="is not permitted to log in",
    ),
    Refusal(
        Fault.AUTH,
        "there is no such role",
        "Correct the user in DATABASE_URL, or CREATE ROLE it.",
        words='role ".*" does not exist',
    ),
    # --- Every connection is taken ----------------------------------------------------------------------------------
    Refusal(
        Fault.INFRASTRUCTURE,
        "every session of the session pooler is taken",
        f"{FEWER} raise the pool size (Supabase: Database settings), or use the transaction pooler (port 6543).",
        words=r"max clients.*session mode|maxclientsinsessionmode|limited to pool_size",
        codes=("EMAXCONNSESSION",),
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "every connection of the pooler is taken",
        f"{FEWER} raise the pool size (Supabase: Database settings; PgBouncer: max_client_conn, default_pool_size), or "
        "use the transaction pooler (port 6543).",
        words=r"max (client|proxy)? ?(connections|clients) reached|max pools|no more connections allowed|"
        r"client connections exceeded|query_wait_timeout|check ?out (a )?connection|pool checkout failed|"
        r"max_client_conn",
        codes=("EMAXCONN", "EMAXPOOLSREACHED", "ECHECKOUTTIMEOUT", "ECHECKOUTRETRIES", "EPOOLCHECKOUT"),
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "every connection of the role or the database is taken",
        f"{FEWER} or use the transaction pooler (port 6543).",
        words="too many connections",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "every connection of the server is taken",
        f"{FEWER} or use a pooler.",
        words="too many clients|connection slots are reserved",
    ),
    # --- The database -----------------------------------------------------------------------------------------------
    Refusal(
        Fault.SCHEMA,
        "there is no such database",
        "Correct the last part of DATABASE_URL; Supabase's is postgres.",
        words='database ".*" does not exist|no such database',
    ),
    Refusal(
        Fault.SCHEMA,
        "the role may not connect to that database",
        "GRANT CONNECT ON DATABASE name TO role; or correct the last part of DATABASE_URL.",
        words="permission denied for database",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the database is closed to everybody",
        "As a superuser, in another database: ALTER DATABASE name ALLOW_CONNECTIONS true; (PgBouncer: ENABLE name;).",
        words='is not currently accepting connections|database ".*" is disabled',
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "Postgres is starting up",
        "Wait a minute; leads queue meanwhile.",
        words="starting up|not yet accepting connections",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "Postgres takes no connections: it recovers from a crash, or its disk is full",
        "Wait some minutes; leads queue meanwhile. If it stays, look at the disk and at the server's log (Supabase: "
        "Reports, Database; make room, upgrade the disk or restart the project).",
        words="in recovery mode|not accepting connections|hot standby mode is disabled",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "Postgres is shutting down",
        "Start it; leads queue meanwhile.",
        words="(database system|server|pooler) is shutting down|terminating connection due to administrator|"
        "server shutting down|admin forced disconnect|suspend_timeout",
    ),
    # --- Certificates and encryption --------------------------------------------------------------------------------
    Refusal(
        Fault.INFRASTRUCTURE,
        "the server's certificate has expired",
        "Renew it at the server. Until then leads wait; do not turn the check off.",
        words="certificate has expired",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the server's certificate is of another host name: DATABASE_URL names the server by another, or by its address",
        "Use the name that the certificate has. If it is the right one, somebody may be intercepting the connection.",
        words="server certificate for .* does(?: not|n't) match host name|host name mismatch|hostname mismatch",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the server's certificate is not one of DATABASE_CA, or has expired",
        "Download the project's certificate again (Supabase: Database, SSL configuration). A server of your own: renew "
        "its certificate, and see that this machine's clock is right. If that fails as well, somebody may be "
        "intercepting the connection: do not turn the check off.",
        words="certificate verify failed",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the file of DATABASE_CA cannot be read",
        "Download the certificate (Supabase: Database, SSL configuration) to that path, and let the site's user read "
        "it.",
        words="root certificate file",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the server has no TLS, which DATABASE_URL or DATABASE_CA asks for",
        "Turn TLS on at the server or, on a private network, remove sslmode and DATABASE_CA.",
        words="does not support ssl",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the encrypted connection could not be made",
        "Correct the host and the port, and let no proxy change the connection; else see the pooler's status "
        "(status.supabase.com).",
        words="ssl handshake failed",
        codes=("ESSLHANDSHAKE",),
    ),
    # --- The pooler -------------------------------------------------------------------------------------------------
    Refusal(
        Fault.INFRASTRUCTURE,
        "the pooler cannot reach Postgres behind it",
        "Start Postgres (Supabase: restore the project if it is paused, or restart it), or correct the pooler's own "
        "address and password of it.",
        words=r"server login|server_login_retry|cannot connect to server|server down|client_login_timeout|"
        r"dbhandler exited|connection to database closed|checkout failed|pool terminating|pool is terminating",
        codes=("ECHECKOUTFAILED", "EDBHANDLEREXITED", "EPOOLTERMINATING"),
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the pooler lost a prepared statement, because it shares connections and DATABASE_URL does not say so",
        "Add ?pgbouncer=true to DATABASE_URL.",
        words=r"prepared statements? .*(already exists|does not exist|did not exist|already in use|limit reached)|"
        r"extended query protocol",
        codes=("EPREPAREDDUP", "EPREPAREDNOTFOUND", "EPSSIMPLEQUERY", "EMAXPREPARED", "EMAXPREPAREDMEM"),
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the pooler does not take a parameter of DATABASE_URL",
        "Remove what follows the ? of DATABASE_URL, except sslmode and pgbouncer (or PgBouncer: "
        "ignore_startup_parameters).",
        words="unsupported (options )?startup parameter|invalid startup|startup packet too large",
        codes=("ESTARTUPMESSAGE", "ESTARTUPPACKETTOOLARGE"),
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the pooler itself has a fault",
        "Wait; leads queue meanwhile. If it stays, see status.supabase.com, or connect directly (port 5432).",
        words=r"bouncer (config error|resources exhaustion)|no memory for|pause failed|failed to reach jit provider|"
        r"internal error \(",
        codes=(
            *("EAUTHPROTOCOL", "EAUTHTIMEOUT", "ECLIENTSOCKETCLOSED", "EJITREQUESTFAILED", "EPOOLCONFIGNOTFOUND"),
            *("EPOOLRANCHNOTFOUND", "EPROXYSTARTFAILED", "EPROXYSUPERVISORUNAVAILABLE", "ESUBSCRIBERETRIES"),
            "EWORKERNOTFOUND",
        ),
    ),
    # --- The network ------------------------------------------------------------------------------------------------
    Refusal(
        Fault.INFRASTRUCTURE,
        "this machine has no route to that address, which may be IPv6",
        "Use the session pooler, which has IPv4: Supabase: Connect, Session pooler.",
        words=r"network is unreachable|cannot assign requested address|can't assign requested address|"
        r"no route to host|address family",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the name server of this machine does not answer, so the host's name is not known",
        "Repair name resolution: /etc/resolv.conf, or the host's network. Leads wait meanwhile.",
        words="failed to resolve host.*no answer",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "the host's name cannot be resolved",
        "Correct the host in DATABASE_URL. Supabase's direct host has only an IPv6 address: use the session pooler. A "
        "paused or deleted project has no host.",
        words="failed to resolve host",
    ),
    NOTHING_LISTENS,
    Refusal(
        Fault.INFRASTRUCTURE,
        "nothing listens there: Postgres is stopped, or the socket's directory is wrong",
        "Start Postgres, or correct the host in DATABASE_URL.",
        words="no such file or directory",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "what listens there is no Postgres, or ended while it was asked",
        "Correct the host and the port (Supabase: 5432, or 6543), else see the server's log.",
        words="invalid response to ssl negotiation|expected authentication request|server closed the connection",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "DATABASE_URL has a parameter with a value that libpq does not know",
        "Correct or remove what follows the ? of DATABASE_URL.",
        words=r"invalid \w+ value|invalid integer value",
    ),
    Refusal(
        Fault.INFRASTRUCTURE,
        "this user may not use the socket of Postgres",
        "Let the site's user into the socket's directory, or connect by TCP: 127.0.0.1 as the host.",
        words="permission denied",
    ),
    Refusal(
        Fault.TIMEOUT,
        "another process of this machine is connecting, and the server has not answered it for two seconds",
        "Wait: the next try is within a second. If it stays, the server hangs, or this machine has too much to do.",
        words="no turn to connect",
    ),
    NO_ANSWER,
)
