"""The check of a price book: finds everything in it that would price a job wrongly, twice or not at all."""

from itertools import chain
from pathlib import Path

from quoter.engine.finding import BookFinding, PriceBookInvalid
from quoter.engine.lint import book as whole
from quoter.engine.lint import charges, doubts, examples, products, rules, usual
from quoter.engine.pricebook import PriceBook, read


def load(path: Path) -> PriceBook:
    """Return the book in a file; PriceBookInvalid with all findings when there are any."""
    book = read(path)
    if findings := check(book):
        raise PriceBookInvalid(findings)
    return book


def check(book: PriceBook) -> tuple[BookFinding, ...]:
    """Return everything that is wrong with a book; () when it prices every job as its owner wrote it.

    The examples are priced only when nothing else is wrong.
    """
    found = tuple(chain(whole.findings(book), products.findings(book), rules.findings(book), usual.findings(book)))
    found = found or tuple(charges.findings(book))
    return found or tuple(examples.findings(book))


def warnings(book: PriceBook) -> tuple[BookFinding, ...]:
    """Return what may be meant so, but often is not: more that costs less, a factor that stands for a division."""
    return tuple(doubts.findings(book))
