"""Which process of all machines sends alerts: the one that holds a lease in Postgres, by Postgres's clock.

Who holds it renews it in each round. Without that, because its process is dead or frozen, another takes it over. One
that thaws afterwards learns before its next message that the lease is another's.
"""

import secrets

from django.db import connection

# Longer than the pause between two rounds; how late an alert may be when its process dies.
LEASE_S = 12.0

_IS_FREE = "lead_leases.until <= statement_timestamp()"
_UNTIL = "statement_timestamp() + make_interval(secs => %(seconds)s)"
_LOOK = f"SELECT holder, {_IS_FREE} FROM lead_leases WHERE job = %(job)s"
_TAKE = f"""
INSERT INTO lead_leases (job, holder, until) VALUES (%(job)s, %(holder)s, {_UNTIL})
ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lead_leases.holder = excluded.holder OR {_IS_FREE}
"""
_RENEW = f"""
UPDATE lead_leases SET until = {_UNTIL} WHERE job = %(job)s AND holder = %(holder)s AND NOT {_IS_FREE}
"""
_RELEASE = "UPDATE lead_leases SET until = statement_timestamp() WHERE job = %(job)s AND holder = %(holder)s"


class HeldLease:
    """This process's part in a lease, under a name of its own, so that no other process of this machine shares it."""

    def __init__(self, job: str = "alerts") -> None:
        self._parameters: dict[str, str | float] = {"job": job, "holder": secrets.token_hex(8), "seconds": LEASE_S}

    def take(self) -> bool:
        """Take the lease if it is free, or renew it; return whether this process holds it.

        While another holds it, this only reads.
        """
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, self._parameters)
            known = cursor.fetchone()
            if known and known[0] != self._parameters["holder"] and not known[1]:
                return False
            cursor.execute(_TAKE, self._parameters)
            return bool(cursor.rowcount)

    def renew(self) -> bool:
        """Return whether this process has held the lease without a gap, and renew it."""
        with connection.cursor() as cursor:
            cursor.execute(_RENEW, self._parameters)
            return bool(cursor.rowcount)

    def release(self) -> None:
        """Let another process take the lease at once."""
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, self._parameters)
