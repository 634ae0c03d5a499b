"""Reads the URL of a Postgres database from the environment."""

import codecs
import re
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import environ
from psycopg.pq import Conninfo

from settings import env

# Supabase's hosts: db.PROJECT.supabase.co, and the shared poolers, aws-0-REGION.pooler.supabase.com.
SHARED_POOLER = ".pooler.supabase.com"
DIRECT = ".supabase.co"
SUPABASE = (DIRECT, SHARED_POOLER)
# libpq's, which refuses any other.
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TRANSACTION_PORT = "6543"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Database(NamedTuple):
    """Connection settings. In config, OPTIONS has the URL's own parameters and what its kind of connection needs.

    kind: "direct", "session pooler" and "transaction pooler" as Supabase names them, "other", or "none" with a fault;
    fault: why the URL cannot be used, or ""; warnings: what is wrong with it and does not prevent its use.
    """

    config: dict[str, Any]
    kind: str
    fault: str
    warnings: tuple[str, ...]


def from_url(name: str, *, ca: str) -> Database:
    """Read a Postgres URL. If it is missing or malformed, every connection with the result fails immediately.

    ca: the name of the variable with the path of the CA certificate; if that is set, the server's certificate is
    verified against it.
    """
    url, certificate = env.text(name), env.text(ca)
    for variable, fault in ((name, _fault(name, url)), (ca, _certificate_fault(ca, certificate))):
        if fault:
            # To libpq, a host that starts with a slash is a socket's directory. It fails without using the network and
            # repeats the path in its error, so every failed connection logs what is wrong.
            unusable = {"NAME": "none", "HOST": f"/{variable} cannot be used", "OPTIONS": {}}
            return Database(unusable, "none", fault, ())
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    servers = _servers(parts)
    # One of several servers tells the kind of all.
    host, port = servers[0][0] or query["host"].split(",")[0], servers[0][1] or query.get("port", "").split(",")[0]
    kind = _kind(host, port, says_pgbouncer=query.pop("pgbouncer", "") == "true")
    known = {key: value for key, value in query.items() if key in _libpq_parameters()}
    warnings = [
        f"{name}: the parameter {key!r} is unknown to Postgres and was left out." for key in query if key not in known
    ]
    if host.endswith(SHARED_POOLER) and "." not in (parts.username or ""):
        warnings.append(f"{name}: the pooler's user must be role.project, such as postgres.abcdefghijklmnopqrst.")
    if host.endswith(DIRECT) and "." in (parts.username or ""):
        warnings.append(f"{name}: on the direct host the user is the role alone, such as postgres.")
    if (mode := known.get("sslmode")) is not None and mode not in SSL_MODES:
        # Such as node's no-verify: encrypted, and the certificate not checked.
        known["sslmode"] = mode.lower() if mode.lower() in SSL_MODES else "require"
        warnings.append(f"{name}: Postgres has no sslmode {mode!r}; {known['sslmode']} is used.")
    options: dict[str, Any] = {}
    if host.endswith(SUPABASE):
        options["sslmode"] = "require"
    if kind == "transaction pooler":
        options["prepare_threshold"] = None  # the next transaction may run in another session, without the statement
    config = environ.Env.db_url_config(urlunsplit(parts._replace(query=urlencode(known))))
    options |= config.pop("OPTIONS", {})
    if len(servers) > 1:
        hosts, ports = zip(*servers, strict=True)
        config |= {"HOST": ",".join(hosts), "PORT": ",".join(ports) if any(ports) else ""}
    if certificate:
        options |= {"sslmode": "verify-full", "sslrootcert": certificate}
    return Database({**config, "OPTIONS": options}, kind, "", tuple(warnings))


def _kind(host: str, port: str, *, says_pgbouncer: bool) -> str:
    if host.endswith(SUPABASE):
        if port == TRANSACTION_PORT:
            return "transaction pooler"
        return "session pooler" if host.endswith(SHARED_POOLER) else "direct"
    # Other poolers are known by the parameter pgbouncer=true, as in Prisma. A self-hosted Supabase has port 6543 too.
    return "transaction pooler" if says_pgbouncer or port == TRANSACTION_PORT else "other"


def _servers(parts: SplitResult) -> list[tuple[str, str]]:
    """Return host and port of each server of a URL, "" for what it leaves out; ValueError for a wrong port.

    libpq takes several, and connects to the first that answers, or that is a primary (target_session_attrs).
    """
    each = [urlsplit(f"//{server}") for server in parts.netloc.rpartition("@")[2].split(",")]
    return [(server.hostname or "", "" if server.port is None else str(server.port)) for server in each]


def _fault(name: str, url: str) -> str:
    if not url:
        return f"{name} is not set."
    if re.search(r"\[[A-Z -]*PASSWORD[A-Z -]*\]", url, re.IGNORECASE):
        return f"{name} still has the placeholder for the password."
    malformed = f"{name} has a wrong port, or bare special characters in the password: [ / ? # are %5B %2F %3F %23."
    try:
        parts = urlsplit(url)
        servers = _servers(parts)
    except ValueError:
        return malformed
    if parts.scheme not in ("postgres", "postgresql"):
        return f"{name} does not begin with postgresql://."
    if parts.fragment or url.endswith("#"):
        return f"{name} has a bare #; in a password, write %23."
    if "@" in parts.path or any(port == "0" for _host, port in servers):  # the password has a slash
        return malformed
    if not (all(host for host, _port in servers) or dict(parse_qsl(parts.query)).get("host")):
        return f"{name} has no host."
    if not parts.path.strip("/"):
        return f"{name} has no database name after the host."
    return ""


def _certificate_fault(name: str, path: str) -> str:
    if not path:
        return ""
    try:
        # OpenSSL and libpq would not see the certificate that follows a mark.
        if Path(path).read_bytes().startswith(_BYTE_ORDER_MARKS):
            return f"{name} begins with a byte order mark. In Notepad: Save as, encoding ANSI: {path}"
        ssl.create_default_context(cafile=path)
    except OSError:  # ssl.SSLError, for a file that is not a certificate, is a subclass
        return f"{name} is not a readable certificate file: {path}"
    return ""


def _libpq_parameters() -> set[str]:
    return {option.keyword.decode() for option in Conninfo.get_defaults()}
