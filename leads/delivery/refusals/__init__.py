"""Recognises why a server or a pooler refused a connection: its kind, its cause and its cure. Plain Python.

libpq reports no SQLSTATE for a failed connection, so a refusal is known by what it says: the code of Supabase's pooler,
such as (ENOTFOUND), or else the words, in any language that Postgres speaks.
"""

import re

from leads.delivery.fault import Fault
from leads.delivery.refusals.languages import in_english
from leads.delivery.refusals.table import REFUSALS, Refusal

# The pooler puts its code before its words: "FATAL:  (ENOTFOUND) tenant/user postgres.shop not found".
_CODE = re.compile(r"(?:^|:)\s*\((e[a-z0-9_]{2,40})\)", re.MULTILINE)
# What an unknown code is about, as far as its words tell.
_OF_WHO_ASKS = re.compile(r"password|authenticat|credential|unauthori[sz]ed|not authori[sz]ed|forbidden|banned|blocked")


def recognised(message: str) -> Refusal | None:
    """Return what a connection's error says, or None when it says nothing that is known.

    message: the error's text. A known code decides; where it has several causes, its words choose among them. For an
    unknown code the words decide. The cause names the code.
    """
    words = in_english(message.lower())
    codes = [found[1].upper() for found in _CODE.finditer(words)]
    for code in codes:
        known = [refusal for refusal in REFUSALS if code in refusal.codes]
        if known:
            return _with(code, next((refusal for refusal in known if refusal.is_said_in(words)), known[0]))
    refusal = next((refusal for refusal in REFUSALS if refusal.is_said_in(words)), None)
    if not codes:
        return refusal
    return _with(codes[0], refusal) if refusal else _unknown(codes[0], words)


def _with(code: str, refusal: Refusal) -> Refusal:
    return refusal._replace(found=f"{refusal.found} ({code})")


def _unknown(code: str, words: str) -> Refusal:
    return Refusal(
        fault=Fault.AUTH if _OF_WHO_ASKS.search(words) else Fault.INFRASTRUCTURE,
        found=f"the pooler refuses the connection with {code}, a code that this release does not know",
        cure=f"Look for {code} in Supabase's documentation and at status.supabase.com; leads wait meanwhile.",
    )
