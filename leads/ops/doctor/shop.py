"""Checks the price book, its tax, and the WhatsApp number that customers are sent to."""

from collections.abc import Iterator
from datetime import date, timedelta

from django.conf import settings
from django.utils import timezone

from leads import phones
from leads.ops import shop_number
from leads.ops.doctor.finding import Finding, error, ok, warning
from quoter import site
from quoter.engine.pricebook import PriceBook
from quoter.engine.taxes import Tax
from quoter.shop import details, served
from quoter.shop.values import shop

# In .env.example and docs/deploy.md.
EXAMPLE_NUMBER = "526561234567"
TAX_NOTICE = timedelta(days=30)


def examine() -> Iterator[Finding]:
    book = site.price_book()
    yield _price_book(book)
    yield _settings()
    for fault in served.faults():
        cure = "Publish those prices again; with Postgres up, a damaged file is also written again within seconds."
        yield error("prices", fault, cure)
    yield _tax(book, today=timezone.localdate())
    yield _whatsapp_number(shop.WHATSAPP_NUMBER)
    if settings.PRIVACY_NOTICE.is_relative_to(settings.BASE_DIR / "checkout") and not settings.DEBUG:
        cure = "Copy checkout/privacy.toml, put your own words into it, and set PRIVACY_NOTICE to its path."
        yield warning("privacy", "customers read, and agree to, the bundled example of a privacy notice", cure)


def _price_book(book: PriceBook) -> Finding:
    # A book in which the lint finds errors stops the start, so this one has none.
    found = f"{book.name} {book.version}, quotes hold {book.validity_days} days"
    if number := served.current().numbers[served.PRICES]:
        return ok("prices", f"{found}; version {number} that was published, in place of PRICE_BOOK")
    if settings.PRICE_BOOK.parent == settings.BASE_DIR / "quoter" / "books" and not settings.DEBUG:
        cure = "Write your own (docs/price-book.md) and set PRICE_BOOK to its path."
        return warning("prices", f"{found}; this is the bundled example", cure)
    return ok("prices", found)


def _settings() -> Finding:
    """Say which settings are the owner's, so that nobody wonders why a variable does nothing."""
    if not (number := served.current().numbers[served.DETAILS]):
        return ok("shop", "name, number, hours and texts are those of the environment: none were published")
    missed = ", ".join(_missed())
    told = f"; customers would read more with: {missed}" if missed else ""
    theirs = [name for name in settings.SHOP_TEXTS if name in served.current().details]
    names = ", ".join(theirs) or "no variable's"
    return ok("shop", f"version {number} that was published counts for {names}; the environment for the others{told}")


def _missed() -> list[str]:
    """Return what the shop could say of itself to customers, and does not."""
    given = served.current().details
    facts = [name for name in details.FACTS if not any(given.get(f"{name}_{code}") for code in details.LANGUAGES)]
    pictures = [] if given.get(details.PHOTO) else [details.PHOTO]
    return [name.lower().replace("_", " ") for name in (*facts, *pictures)]


def _tax(book: PriceBook, *, today: date) -> Finding:
    tax = book.tax_on(today)
    if tax is None:
        return ok("tax", "none")
    found = f"{tax.name} {tax.rate}"
    add = "Add the tax that follows to the price book: [[taxes]] with its name, rate and from."
    if tax.start > today:
        return error(
            "tax", f"{found} begins on {tax.start}, but is already charged", "Correct its date, or add an earlier tax."
        )
    if tax.end is None or _follows(book, tax):
        return ok("tax", found)
    if tax.end < today:
        return error("tax", f"{found} ended on {tax.end}, is still charged, and nothing follows", add)
    if tax.end - today <= TAX_NOTICE:
        return warning("tax", f"{found} ends on {tax.end}, and nothing follows", add)
    return ok("tax", f"{found} until {tax.end}")


def _follows(book: PriceBook, tax: Tax) -> bool:
    return any(other.start > tax.start for other in book.taxes if other.series == tax.series)


def _whatsapp_number(number: str) -> Finding:
    if number == EXAMPLE_NUMBER and not settings.DEBUG:
        found = "WHATSAPP_NUMBER is still the example's: customers are sent to a stranger"
        return warning("whatsapp", found, "Set WHATSAPP_NUMBER to the business's, country code first.")
    wrong = shop_number.fault(number, has_plus=settings.WHATSAPP_HAS_PLUS, zone=settings.TIME_ZONE)
    if wrong is None:
        return ok("whatsapp", f"{phones.readable(number)} ({phones.region_of(number)})")
    level = warning if settings.DEBUG else error
    return level("whatsapp", wrong.found, wrong.cure)
