"""What names a code that a price book no longer has, because an owner removed its row.

Only what can never apply again goes along, so every other order costs what it did. The rest is left to the check.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from quoter.engine.conditions import ALL
from quoter.shop.table.rows import KEY, Document

# The codes of the choices, by the code of their option, question or table.
Choices = Mapping[str, set[str]]
# A fee of nothing still costs something with one of these.
_WITHOUT_BASE = ("price", "minimum", "up_to")


def let_go(data: Document) -> list[str]:
    """Take what names a missing code out of a document; return the paths of the rows that went."""
    gone: list[str] = []
    while found := list(_let_go(data)):  # what goes may be named by others
        gone += found
    return gone


def _let_go(data: Document) -> Iterator[str]:
    asked, charged = _choices(data.get("questions", ())), _charged(data)
    products = {each.get("code"): each for each in data.get("products", ())}
    for product in data.get("products", ()):
        path, known = f"products[{product[KEY]}].", asked | _choices(product.get("options", ()))
        yield from _of_product(product, path, known)
        yield from _rules(product, path, known, charged)
    yield from _rules(data, "", asked, charged)
    yield from _keep(data, "presets", "", lambda row: _is_sold(row, products.get(row.get("product"))))


def _of_product(product: Document, path: str, known: Choices) -> Iterator[str]:
    yield from _keep(product, "prices", path, lambda row: _has(row.get("options", {}), known))
    yield from _keep(product, "not_offered", path, lambda row: _has(row, known))
    groups = {extra.get("group") for extra in product.get("extras", ())}
    yield from _keep(product, "groups", path, lambda row: row.get("code") in groups)


def _keep(table: Document, name: str, path: str, stays: Callable[[Document], bool]) -> Iterator[str]:
    before = table.get(name, [])
    after = [row for row in before if stays(row)]
    if len(after) < len(before):
        table[name] = after
        yield from (f"{path}{name}[{row[KEY]}]" for row in before if row not in after)


def _rules(table: Document, path: str, known: Choices, charged: set[str]) -> Iterator[str]:
    for fee in table.get("fees", ()):
        yield from _keep(fee, "prices", f"{path}fees[{fee[KEY]}].", lambda row: _has(row.get("options", {}), known))
    for name in ("extras", "fees", "limits"):
        yield from _keep(table, name, path, lambda row: _applies(row, known, charged))


def _applies(row: Document, known: Choices, charged: set[str]) -> bool:
    """Return whether a rule can still apply, without the codes that are missing."""
    if row.get("prices") == []:
        return False
    if not all([_can_hold(condition, known, charged) for condition in row.get("when", ())]):
        return False
    if "when" in row:
        row["when"] = [each for each in row["when"] if each.keys() - {KEY, "name"}]
    _leave_out(row, "by_amount", charged)
    return _leave_out(row, "of", charged) or any(name in row for name in _WITHOUT_BASE)


def _can_hold(condition: Document, known: Choices, charged: set[str]) -> bool:
    _leave_out(condition, "amount_of", charged)
    choices = known.get(condition.get("name", ""))
    if choices is None:
        return True
    if not _leave_out(condition, "is_not", choices):
        del condition["is_not"]
    return _leave_out(condition, "is", choices) and not choices <= set(_listed(condition.get("is_not", ())))


def _leave_out(table: Document, name: str, known: set[str]) -> bool:
    """Leave the missing codes out of a list, and return True; return False, and change nothing, if all are missing."""
    listed = _listed(table.get(name, ()))
    left = [code for code in listed if code in known]
    if left and len(left) < len(listed):
        table[name] = left
    return bool(left) or not listed


def _is_sold(preset: Document, product: Document | None) -> bool:
    """Return whether a kind of work still has a product, and a price for its options."""
    if product is None:
        return False
    tables = _choices([each["coefficients"] for each in product.get("measures", ()) if "coefficients" in each])
    inputs = preset.get("inputs", {})
    for name in [name for name in inputs if name in tables and inputs[name] not in tables[name]]:
        del inputs[name]  # the table's own default counts
    options = preset.get("options", {})
    priced = (row.get("options", {}) for row in product.get("prices", ()))
    return _has(options, _choices(product.get("options", ()))) and any(
        all(row.get(name, code) == code for name, code in options.items()) for row in priced
    )


def _has(named: Mapping[str, Any], known: Choices) -> bool:
    return all(code in known[name] for name, code in named.items() if name in known)


def _choices(asked: Iterable[Document]) -> dict[str, set[str]]:
    return {
        each.get("code") or each.get("name", ""): {choice.get("code") for choice in each["choices"]}
        for each in asked
        if "choices" in each
    }


def _charged(data: Document) -> set[str]:
    """Return the codes under which something can be charged."""
    products = data.get("products", [])
    named = [*products, *data.get("fees", ())]
    named += [row for product in products for name in ("extras", "fees") for row in product.get(name, ())]
    return {ALL} | {str(row.get("code")) for row in named}


def _listed(codes: Any) -> list[str]:
    return [codes] if isinstance(codes, str) else list(codes)
