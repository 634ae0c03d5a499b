"""Changes to a price book: cells, new rows, removed rows. All are texts by path, so that a draft is a table of texts.

The text of a cell is what it has; of a row that is new, the row itself; of one that is removed, nothing.
"""

import copy
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from quoter.shop.table import cells, numbers, references, rows
from quoter.shop.table.cells import TIER_BOUNDS, TIERS, Cell
from quoter.shop.table.rows import KEY, Document

PRESENT = "present"  # the text of a row that is there
# Lists that nothing works without.
_NEEDED = {"products", "prices", "choices", TIERS}
_KNOWN = {"es": "Ya sé la cantidad", "en": "I know the quantity"}
_QUANTITY = {"es": "Cantidad", "en": "Quantity"}


def with_rows(data: Document, drafted: Mapping[str, str]) -> tuple[Document, set[str]]:
    """Return the document with the drafted new rows, and their paths. One whose list is gone is left out."""
    after, added = copy.deepcopy(data), set()
    for path in sorted((path for path, text in drafted.items() if rows.is_row(path) and text), key=len):
        *_above, key = rows.steps(path)
        try:
            rows.find(after, path)
        except LookupError:
            listed = _list_at(after, rows.parent(path))
            if listed is not None:
                listed.append(rows.row_of(drafted[path], key[1:-1]))
                added.add(path)
    return after, added


def changed(data: Document, drafted: Mapping[str, str]) -> Document:
    """Return the document with these cells, new and removed rows; LookupError for a path that it does not have."""
    after, _added = with_rows(data, drafted)
    known = {cell.path: cell for cell in cells.cells(after, "es")}
    for path, text in drafted.items():
        if not rows.is_row(path) or path in known:
            _put(after, known[path], text)
    gone = [path for path, text in drafted.items() if rows.is_row(path) and path not in known and not text]
    for path in sorted(gone, key=len, reverse=True):  # first those inside of others
        _remove(after, path)
    references.let_go(after)
    whole: Document = _without_empty_lists(after)
    return whole


def texts_of(data: Document, without: set[str]) -> dict[str, str]:
    """Return the text of every cell and row of a document, by path. without: rows that are only drafted."""
    found = {}
    for each in cells.walk(data, "es"):
        if isinstance(each, Cell):
            found[each.path] = each.text
        elif each.path not in without:
            found[each.path] = PRESENT
    for path in _unseen_rows(data):
        found[path] = PRESENT
    return found


def copied(data: Document, path: str, *, mark: str) -> dict[str, str]:
    """Return the new rows that a copy of a row takes: with a choice, the prices of what is made with it.

    mark: what stands behind the copy's label, such as (2).
    """
    row = copy.deepcopy(rows.find(data, path))
    above = rows.parent(path)
    found: dict[str, str] = {}
    if "code" in row:
        old, row["code"] = row["code"], _free_code(row["code"], [each["code"] for each in rows.find(data, above)])
        found |= _copied_prices(data, path, old, row["code"])
    if isinstance(row.get("label"), dict):
        row["label"] = {language: f"{text}{mark}" for language, text in row["label"].items()}
    return {f"{above}[{row.get('code') or _new_key()}]": rows.text_of(row)} | found


def blank(data: Document, path: str) -> dict[str, str]:
    """Return a new row for the list at a path. What it needs and nobody can guess is empty."""
    steps, code = rows.steps(path), _new_key()[1:]
    empty = {"es": "", "en": ""}
    if steps[-1] == TIERS:
        return {f"{path}[{_new_key()}]": "{}"}
    if steps[-1] == "extras":
        row: Document = {"code": f"extra_{code}", "label": empty, "price": 0, "per": "unit"}
    elif steps == ("products",):
        unit = data["products"][0].get("unit", "pza")
        asks = {"code": "amount", "label": _QUANTITY, "unit": unit, "min": 0}
        measure = {"kind": "known", "label": _KNOWN, "formula": "known", "asks": [asks]}
        row = {"code": f"product_{code}", "label": empty, "unit": unit, "step": 1, "minimum": 1, "maximum": 1000}
        row |= {"prices": [{"tiers": [{"from": 1}]}], "measures": [measure]}
    else:
        last = rows.find(data, path)[-1]
        new = copied(data, f"{path}[{last[KEY]}]", mark="")
        first = next(iter(new))
        row = rows.row_of(new[first], "") | ({"label": empty} if "label" in last else {})
        return new | {first: rows.text_of(row)}
    return {f"{path}[{row['code']}]": rows.text_of(row)}


def together(data: Document, path: str) -> list[str]:
    """Return the rows that go with a row: the prices of a choice, kinds of work, rules that cannot apply again."""
    return [path, *references.let_go(_without(data, path))]


def is_last(data: Document, path: str) -> bool:
    """Return whether nothing would be left of what a book needs without a row: no product, price, choice or tier."""
    after = _without(data, path)
    is_needed = rows.steps(path)[-2] in _NEEDED and not rows.find(after, rows.parent(path))
    references.let_go(after)
    return is_needed or not all(product.get("prices") for product in after["products"])


def _without(data: Document, path: str) -> Document:
    after = copy.deepcopy(data)
    listed = rows.find(after, rows.parent(path))
    del listed[rows.position(listed, rows.steps(path)[-1][1:-1])]
    return after


def _copied_prices(data: Document, path: str, old: str, new: str) -> dict[str, str]:
    """Return the prices, and the combinations that are not offered, of a choice's copy."""
    steps = rows.steps(path)
    if steps[-2] != "choices" or steps[-4:-3] != ("options",):
        return {}
    option, product = rows.find(data, rows.parent(rows.parent(path)))["code"], f"{steps[0]}{steps[1]}"
    found = {}
    for name in ("prices", "not_offered"):
        for row in rows.find(data, product).get(name, ()):
            chosen = row.get("options", {}) if name == "prices" else row
            if chosen.get(option) == old:
                after = {**chosen, option: new}
                again = {**row, "options": after} if name == "prices" else after
                key = ",".join(f"{each}={after[each]}" for each in sorted(after) if each != KEY)
                found[f"{product}.{name}[{key}]"] = rows.text_of(again)
    return found


def _remove(data: Document, path: str) -> None:
    """Take a row out. A combination whose price goes is not offered from then on."""
    steps, listed = rows.steps(path), rows.find(data, rows.parent(path))
    row = listed.pop(rows.position(listed, steps[-1][1:-1]))
    if steps[0] == "products" and steps[2:-1] == ("prices",) and row.get("options"):
        refused = rows.find(data, "".join(steps[:2])).setdefault("not_offered", [])
        refused.append({**row["options"], KEY: row[KEY]})


def _put(data: Document, cell: Cell, text: str) -> None:
    inside = rows.find(data, rows.parent(cell.path))
    last = rows.steps(cell.path)[-1]
    where: Any = rows.position(inside, last[1:-1]) if last.startswith("[") else last
    before = inside.get(where) if isinstance(inside, dict) else inside[where]
    if text == "" and last in TIER_BOUNDS and cell.rows and cell.rows[-1].name == TIERS:
        inside.pop(where, None)
    elif cell.kind in ("number", "rate"):
        inside[where] = numbers.value(text, like=before)
    elif cell.kind == "date":
        inside[where] = date.fromisoformat(text)
    else:
        inside[where] = text == "true" if isinstance(before, bool) else text


def _list_at(data: Document, path: str) -> list[Any] | None:
    """Return the list at a path, a new one if its table has none yet; None when that table is gone."""
    try:
        table = rows.find(data, rows.parent(path))
    except LookupError:
        return None
    listed = table.setdefault(rows.steps(path)[-1], []) if isinstance(table, dict) else None
    return listed if isinstance(listed, list) else None


def _unseen_rows(data: Document) -> Iterator[str]:
    for product in data.get("products", ()):
        yield from (f"products[{product[KEY]}].not_offered[{each[KEY]}]" for each in product.get("not_offered", ()))


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty_lists(each) for name, each in value.items() if name == "products" or each != []}
    return [_without_empty_lists(each) for each in value] if isinstance(value, list) else value


def _free_code(code: str, used: list[str]) -> str:
    stem = re.sub(r"_[0-9a-f]{6}$", "", code)
    return next(new for _try in iter(int, 1) if (new := f"{stem}_{secrets.token_hex(3)}") not in used)


def _new_key() -> str:
    return f"+{secrets.token_hex(3)}"
