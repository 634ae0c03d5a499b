"""Describes the shop for search engines, as schema.org data: products, prices, opening hours and phone."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.text import Language
from quoter.shop.values import facts, shop

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def structured_data(book: PriceBook, *, language: Language, address: str, image: str) -> SafeString:
    """Return the shop and its price book in schema.org's vocabulary, as JSON that is safe inside a script element.

    address: of the calculator; image: of the picture; both in full. Prices are those of the book.
    """
    said = facts(language)
    optional = {
        "address": said.address,
        "hasMap": said.map_url,
        "areaServed": said.area,
        "paymentAccepted": said.payment,
    }
    data = {
        "@context": "https://schema.org",
        "@type": "LocalBusiness",
        "name": shop.BUSINESS_NAME,
        "url": address,
        "image": image,
        "telephone": f"+{shop.WHATSAPP_NUMBER}",
        "openingHours": list(_opening_hours()),
        **{name: value for name, value in optional.items() if value},
        "hasOfferCatalog": {
            "@type": "OfferCatalog",
            "name": book.title.in_(language),
            "itemListElement": [_offer(book, product, language) for product in book.products],
        },
    }
    # "</script>" in a price book must not end the element.
    return mark_safe(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def _offer(book: PriceBook, product: Product, language: Language) -> dict[str, Any]:
    prices = [tier.price for listed in product.prices for tier in listed.tiers]
    return {
        "@type": "Offer",
        "itemOffered": {"@type": "Product", "name": product.label.in_(language)},
        "priceSpecification": {
            "@type": "UnitPriceSpecification",
            "minPrice": str(min(prices)),
            "maxPrice": str(max(prices)),
            "priceCurrency": book.currency,
            "unitText": product.unit,
            "valueAddedTaxIncluded": book.prices_include_tax,
        },
    }


def _opening_hours() -> Iterator[str]:
    for day, openings in zip(_DAYS, shop.BUSINESS_HOURS, strict=True):
        for opens, closes in openings:
            yield f"{day} {_clock(opens)}-{_clock(closes)}"


def _clock(since_midnight: timedelta) -> str:
    hours, minutes = divmod(since_midnight // timedelta(minutes=1), 60)
    return f"{hours:02}:{minutes:02}"
