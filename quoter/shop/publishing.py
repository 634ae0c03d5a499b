"""Publishes a version of what the owner changes. Each is checked first, and a row of Postgres from then on.

Nothing here writes to a disk: within seconds each machine carries the row to its own (carrying.py).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from django.apps import apps
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from quoter.apps import QuoterConfig
from quoter.engine.finding import BookFinding, PriceBookInvalid
from quoter.engine.pricebook import PriceBook, parse
from quoter.shop import details, served
from quoter.shop.models import Published

MOST_CHARACTERS = 400_000
# Of all processes, one publishes at a time. The number is nobody else's.
_LOCK = 6_210_044


class CannotPublish(ValueError):
    """The version was not published. findings: everything that is wrong with it."""

    def __init__(self, findings: Iterable[BookFinding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(map(str, self.findings)))


def publish(
    kind: str,
    content: str,
    *,
    by: str,
    starts_at: datetime | None = None,
    note: str = "",
    repeats: int | None = None,
) -> tuple[Published, bool]:
    """Publish a version; return it, and False when it is the last one already.

    by: the user's name; starts_at: when it begins, None: at once. CannotPublish names all that is wrong with it.
    """
    content = content.removeprefix("\ufeff").replace("\r\n", "\n")
    meaning = _checked(kind, content)
    if starts_at and starts_at <= timezone.now():
        raise CannotPublish([BookFinding("", "%(moment)s has passed", moment=_local(starts_at))])
    with transaction.atomic():
        one_at_a_time()
        of_kind = Published.objects.filter(kind=kind)
        same_time = of_kind.to_come().filter(starts_at=starts_at) if starts_at else of_kind.begun()
        if (last := same_time.first()) and last.content == content:
            return last, False
        if isinstance(meaning, PriceBook) and repeats is None:
            _refuse_used_version(meaning, content)
        row = Published(kind=kind, content=content, published_by=by, starts_at=starts_at, note=note, repeats=repeats)
        row.save()
    return row, True


def go_back(kind: str, number: int | None, *, by: str) -> tuple[Published, bool]:
    """Publish an earlier version again, at once. number: of its row, 0: this machine's first; None: the one before.

    CannotPublish when there is no such version, or when this release cannot serve it any more.
    """
    if number is None:
        earlier = Published.objects.filter(kind=kind).begun()[1:2]
        number = earlier[0].pk if earlier else 0
    if number == 0:
        content = first_content(kind)
    else:
        found = Published.objects.filter(kind=kind, pk=number).first()
        if found is None:
            raise CannotPublish([BookFinding("", "there is no version %(number)s", number=number)])
        content = found.content
    return publish(kind, content, by=by, repeats=number)


def withdraw(number: int, *, by: str) -> bool:
    """Withdraw a version that has not begun; return False when it has, was withdrawn, or does not exist."""
    with transaction.atomic():
        one_at_a_time()
        row = Published.objects.to_come().filter(pk=number)
        return row.update(withdrawn_at=Now(), withdrawn_by=by) == 1


def first_content(kind: str) -> str:
    """Return what is served as long as nothing was published: PRICE_BOOK's text, or no setting of the owner's."""
    if kind == served.DETAILS:
        return details.document({})
    return cast(QuoterConfig, apps.get_app_config("quoter")).content


def _checked(kind: str, content: str) -> object:
    if len(content) > MOST_CHARACTERS:
        raise CannotPublish([BookFinding("", "has more than %(most)s characters", most=MOST_CHARACTERS)])
    try:
        return served.check(kind, content)
    except PriceBookInvalid as invalid:
        raise CannotPublish(invalid.findings) from invalid
    except ValueError as error:
        raise CannotPublish([BookFinding("", "%(reason)s", reason=error)]) from error


def _refuse_used_version(book: PriceBook, content: str) -> None:
    """Refuse other prices under an earlier name and version: a quote names the prices that it was made from."""
    with_its_text = Published.objects.filter(kind=Published.Kind.PRICES, content__contains=book.version)
    for earlier in [first_content(Published.Kind.PRICES), *with_its_text.values_list("content", flat=True)]:
        try:
            other = parse(earlier) if earlier != content else book
        except PriceBookInvalid:  # of a release that had other rules
            continue
        if (other.name, other.version) == (book.name, book.version) and other != book:
            raise CannotPublish(
                [BookFinding("version", "%(version)s was published already, with other prices", version=book.version)]
            )


def one_at_a_time() -> None:
    """Wait until no other process publishes or edits, to the end of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _local(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M")
