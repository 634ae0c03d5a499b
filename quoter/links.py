"""Links that open the calculator with something chosen, for a shop's own site, its posts and its ads.

/?work=slab, /?product=concrete&strength=200&service=direct&quantity=8: codes of the price book. What the book does not
have is left out, so that an old link still opens the calculator.
"""

from collections.abc import Mapping

from quoter.engine.pricebook import PriceBook
from quoter.forms import TypedLine, edited

WORK, PRODUCT, QUANTITY = "work", "product", "quantity"
# So many characters of a quantity are shown.
_LONGEST = 20


def opened(query: Mapping[str, str], book: PriceBook) -> TypedLine:
    """Return the line that a link's query asks for; that of an empty calculator when it asks for none."""
    asked = book.product(query.get(PRODUCT))
    line = TypedLine.fresh(asked) if asked else TypedLine.first(book)
    edited([line], f"preset:0:{query.get(WORK, '')}", book)
    if not (product := book.product(line.product)):
        return line
    line.options |= {
        option.code: query[option.code] for option in product.options if option.choice(query.get(option.code, ""))
    }
    known = next((measure for measure in product.measures if measure.formula == "known"), None)
    if known and (quantity := query.get(QUANTITY, "").strip()[:_LONGEST]):
        line.kind = known.kind
        line.measures[f"{known.kind}.{known.inputs(product.unit)[0]}"] = quantity
    return line
