"""The kinds of faults of a delivery. Plain Python."""

from enum import StrEnum


class Fault(StrEnum):
    """Why a delivery failed. It decides when to try again."""

    TIMEOUT = "timeout"  # no answer within the deadline: a frozen server, a hung pooler
    INFRASTRUCTURE = "infrastructure"  # refused, gone, full, too slow, locked
    SCHEMA = "schema"  # a table or column missing, read-only, no right to write, or a table that refuses every row
    AUTH = "auth"  # who asks is refused: a wrong password, which gets an address banned, or an unknown project
    DATA = "data"  # a row was refused; it is the table's fault when every other row is refused as well
