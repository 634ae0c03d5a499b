from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from quoter.engine import lint
from quoter.engine.finding import PriceBookInvalid
from quoter.engine.pricebook import PriceBook


class QuoterConfig(AppConfig):
    """Holds the price book in memory for the life of the process. content: its text."""

    name = "quoter"
    book: PriceBook
    content: str

    def ready(self) -> None:
        from quoter import checks  # noqa: F401  (registers them; needs the settings)

        # A faulty book stops the start: a wrong price is worse than a closed shop.
        try:
            self.book = lint.load(settings.PRICE_BOOK)
            self.content = settings.PRICE_BOOK.read_text(encoding="utf-8-sig")  # a deploy may replace the file later
        except PriceBookInvalid as invalid:
            findings = "\n  ".join(map(str, invalid.findings))
            raise ImproperlyConfigured(f"PRICE_BOOK has faults:\n  {findings}") from invalid
