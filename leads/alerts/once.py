"""Sends a mail of a day or a week once, whichever machine does, and also after a restart.

The table of leases remembers for each mail (`job`) of which period it was sent last.
"""

from django.db import connection

# Longer than it takes to write and send one. When a process dies meanwhile, another tries again after this time.
CLAIMED_S, RETRY_S = 120, 60

_CLAIM = """
INSERT INTO lead_leases (job, holder, until)
VALUES (%(job)s, %(claimed)s, statement_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lead_leases.holder <> %(sent)s
AND (lead_leases.holder <> excluded.holder OR lead_leases.until <= statement_timestamp())
"""
_IS_SENT = "SELECT EXISTS (SELECT FROM lead_leases WHERE job = %(job)s AND holder = %(sent)s)"
_SENT = "UPDATE lead_leases SET holder = %(sent)s WHERE job = %(job)s AND holder = %(claimed)s"
_RETRY = """
UPDATE lead_leases SET until = statement_timestamp() + make_interval(secs => %(seconds)s)
WHERE job = %(job)s AND holder = %(claimed)s
"""


class Once:
    """One mail of one period. job: which mail; period: of which day or week."""

    def __init__(self, job: str, period: str) -> None:
        self._parameters: dict[str, str] = {"job": job, "claimed": f"{period} claimed", "sent": f"{period} sent"}

    def claim(self) -> bool:
        """Return whether this process may send it now."""
        return self._run(_CLAIM, seconds=CLAIMED_S) == 1

    def is_sent(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_IS_SENT, self._parameters)
            return bool(cursor.fetchone()[0])

    def sent(self) -> None:
        """Note that it was sent, or that there was nothing to send."""
        self._run(_SENT)

    def failed(self) -> None:
        """Let any process try again after a minute."""
        self._run(_RETRY, seconds=RETRY_S)

    def _run(self, statement: str, **more: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(statement, {**self._parameters, **more})
            return int(cursor.rowcount)
