"""The price list as the page shows it: products folded, each with its prices in small tables, extras and the rest."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from leads.desk.owner import words
from leads.desk.owner.fields import Field, Shown, id_of
from leads.desk.owner.sheets import Prices
from quoter import site
from quoter.engine.numbers import grouped
from quoter.shop.table import rows
from quoter.shop.table.cells import CHOICES, TIERS, Cell, Row
from quoter.shop.table.pasted import plain

# So much fits one form: fields, and characters of what they are called and have.
MOST_CELLS, MOST_CHARACTERS = 800, 50_000
# From so many cells on, the page has a search.
MANY = 60
_CAN_COPY = {"products", "extras", "choices", "fees", "taxes"}
_CAN_REMOVE = _CAN_COPY | {"presets", "limits", "prices", TIERS}
_CAN_ADD = {"extras", "choices", "taxes", TIERS}


@dataclass
class Line:
    """A row of a list: an extra, a choice, a fee, a tier; or what a product says of itself, without a path."""

    path: str = ""
    title: str = ""
    fields: list[Field] = field(default_factory=list)
    tables: list["Table"] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    can_copy: bool = False
    can_remove: bool = False
    is_new: bool = False
    is_removed: bool = False
    by: str = ""

    @property
    def id(self) -> str:
        return id_of(self.path)

    @property
    def is_marked(self) -> bool:
        inside = any(each.was is not None or each.errors for each in self.fields)
        below = any(line.is_marked for table in self.tables for line in (table.line, *table.lines))
        return bool(self.errors) or self.is_new or self.is_removed or inside or below

    @property
    def all_fields(self) -> Iterable[Field]:
        yield from self.fields
        for table in self.tables:
            for line in (table.line, *table.lines):
                yield from line.fields


@dataclass
class Table:
    """Tiers. path: of their list; line: the combination that they are for; columns: (title, unit)."""

    path: str
    line: Line
    lines: list[Line] = field(default_factory=list)

    @property
    def columns(self) -> list[tuple[str, str]]:
        first = self.lines[0].fields if self.lines else []
        return [(each.column, " ".join(filter(None, (each.before, each.after)))) for each in first]

    @property
    def span(self) -> int:
        """All columns, and the one of the buttons."""
        return len(self.columns) + 1


@dataclass
class Part:
    """A list of a product, or of the whole book. add: the path of the list to which a row can be added."""

    title: str
    lines: list[Line] = field(default_factory=list)
    add: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_marked(self) -> bool:
        return bool(self.errors) or any(line.is_marked for line in self.lines)


@dataclass
class Product:
    """A product, or with an empty path the whole book. prices: its combinations, each with its tiers."""

    line: Line
    key: str = ""
    unit: str = ""
    prices: list[Table] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    is_open: bool = True
    targets: list[tuple[str, str]] = field(default_factory=list)  # what pasted prices can be for: path, title
    pasted: str = ""

    @property
    def fields(self) -> list[Field]:
        of_prices = [each for table in self.prices for line in (table.line, *table.lines) for each in line.fields]
        of_parts = [each for part in self.parts.values() for line in part.lines for each in line.all_fields]
        return [*self.line.fields, *of_prices, *of_parts]

    @property
    def changes(self) -> int:
        return sum(each.was is not None for each in self.fields)

    @property
    def has_errors(self) -> bool:
        lines = [line for table in self.prices for line in (table.line, *table.lines)]
        lines += [line for part in self.parts.values() for line in part.lines]
        return any(line.errors for line in [self.line, *lines]) or any(each.errors for each in self.fields)

    @property
    def is_marked(self) -> bool:
        parts = any(part.is_marked for part in self.parts.values())
        return self.line.is_marked or parts or any(t.line.is_marked or any(map(_marked, t.lines)) for t in self.prices)

    @property
    def range(self) -> str:
        """The lowest and the highest price, as in $150.00 – $1,890.00."""
        found = [each for table in self.prices for line in table.lines for each in line.fields if each.kind == "price"]
        prices = sorted(Decimal(each.value) for each in found if _is_number(each.value))
        said = (
            [f"{found[0].before}{grouped(price, places=2)}" for price in {prices[0]: 0, prices[-1]: 0}]
            if prices
            else []
        )
        return " – ".join(said)


def of(sheet: Prices, shown: Shown, *, find: str = "", opened: str = "") -> list[Product]:
    """Return the products of the draft, and last the whole book.

    find: only what has these words. opened: the key of the product whose cells are shown when all do not fit one form.
    """
    building = _Building(sheet, shown)
    for each in sheet.walked:
        building.add_row(each) if isinstance(each, Row) else building.add_cell(each)
    products = building.finished()
    if find.strip():
        products = [each for each in products if _reduced(each, plain(find))]
    if not _fit(products):
        for product in products:
            product.is_open = product.key == (opened or products[0].key)
    return products


class _Building:
    """Products and their lines, in the order in which rows and cells come."""

    def __init__(self, sheet: Prices, shown: Shown) -> None:
        self.sheet, self.shown, self.language = sheet, shown, site.language()
        self.products: dict[str, Product] = {}
        self.book = Product(Line(title=_("The whole list")))
        self.lines: dict[str, Line] = {}
        self.tables: dict[str, Table] = {}

    def add_row(self, row: Row) -> None:
        chain = (*row.above, row)
        if row.name == TIERS:
            self._table(chain).lines.append(self._line(row))
        elif _host(chain) is row:
            self._place(row, self._line(row))

    def add_cell(self, cell: Cell) -> None:
        is_tier = bool(cell.rows) and cell.rows[-1].name == TIERS
        host = cell.rows[-1] if is_tier else _host(cell.rows)
        # A tier's cells have no label that is seen: it says which combination and quantity they are of.
        named = cell.rows[1:] if is_tier else cell.rows[cell.rows.index(host) + 1 :] if host else ()
        before, after = words.around(cell, self.sheet.base, self.language)
        label = words.label_of(cell, self.language)
        is_price = is_tier and cell.field == "price" and cell.rows[1].name == "prices"
        chosen = ("true", "false") if cell.text in ("true", "false") else CHOICES.get(cell.field, ())
        field = self.shown.field(
            cell.path,
            " · ".join(filter(None, (*map(words.title_of, named), label))),
            kind="price" if is_price else cell.kind,
            before=before,
            after=after,
            column=label,
            options=tuple((each, words.choice(cell.field, each)) for each in chosen),
        )
        (self.lines[host.path] if host else self.book.line).fields.append(field)

    def finished(self) -> list[Product]:
        for product in self.products.values():
            self._part(product, "extras", add=f"{product.line.path}.extras")
        for path, line in sorted(self.lines.items(), key=lambda each: -len(each[0])):
            line.errors += self.shown.of_row(path)
        return [each for each in (*self.products.values(), self.book) if each.fields or each.line.path]

    def _line(self, row: Row) -> Line:
        drafted = self.sheet.drafted.get(row.path)
        self.lines[row.path] = line = Line(
            path=row.path,
            title=row.title,
            can_copy=row.name in _CAN_COPY,
            can_remove=row.name in _CAN_REMOVE,
            is_new=row.path in self.sheet.added,
            is_removed=bool(drafted and not drafted.text),
            by=drafted.by if drafted else "",
        )
        return line

    def _place(self, row: Row, line: Line) -> None:
        if row.name == "products" and not row.above:
            unit = words.unit_text(str(row.data.get("unit", "")), self.sheet.base, self.language)
            self.products[row.path] = Product(line, rows.steps(row.path)[-1][1:-1], unit)
            return
        product = self.products[row.above[0].path] if row.above else self.book
        if row.name == "prices":
            self.tables[f"{row.path}.{TIERS}"] = table = Table(f"{row.path}.{TIERS}", line)
            product.prices.append(table)
        elif row.name == "options":
            self._part(product, row.path, title=row.title, add=f"{row.path}.choices").lines.append(line)
        elif len(row.above) == 2:  # a choice of an option
            self._part(product, row.above[1].path).lines.append(line)
        else:
            add = rows.parent(row.path) if row.name in _CAN_ADD else ""
            self._part(product, row.name, add=add).lines.append(line)

    def _table(self, chain: tuple[Row, ...]) -> Table:
        """Return the table of a tier: of a combination of the product, or inside of a fee."""
        path = rows.parent(chain[-1].path)
        host = _host(chain[:-1])
        if path not in self.tables and host:
            inner = chain[-2]
            line = Line() if inner is host else self._line(inner)
            self.tables[path] = Table(path, line)
            self.lines[host.path].tables.append(self.tables[path])
        return self.tables[path]

    def _part(self, product: Product, key: str, *, title: str = "", add: str = "") -> Part:
        return product.parts.setdefault(key, Part(title or str(words.PARTS.get(key, key)), add=add))


def _host(chain: tuple[Row, ...]) -> Row | None:
    """Return the row in whose line a cell stands: that of the book's lists, of a product's, or an option's choice."""
    if len(chain) < 2 or chain[0].name != "products":
        return chain[0] if chain else None
    return chain[2] if chain[1].name == "options" and len(chain) > 2 else chain[1]


def _reduced(product: Product, wanted: set[str]) -> bool:
    """Leave only what has the words, and return whether anything has."""
    if _has(product.line.title, wanted):
        return True
    product.prices = [each for each in product.prices if _has(f"{product.line.title} {each.line.title}", wanted)]
    for key, part in list(product.parts.items()):
        part.lines = [each for each in part.lines if _has(f"{part.title} {each.title}", wanted)]
        if not part.lines:
            del product.parts[key]
    product.line.fields = [each for each in product.line.fields if _has(each.label, wanted)]
    return bool(product.prices or product.parts or product.line.fields)


def _has(text: str, wanted: set[str]) -> bool:
    found = plain(text)
    return all(any(word.startswith(each) for word in found) for each in wanted)


def _fit(products: Iterable[Product]) -> bool:
    fields = [each for product in products for each in product.fields]
    characters = sum(2 * len(each.path) + len(each.value) + len(each.seen) + 12 for each in fields)
    return len(fields) <= MOST_CELLS and characters <= MOST_CHARACTERS


def _marked(line: Line) -> bool:
    return line.is_marked


def _is_number(text: str) -> Any:
    return text.replace(".", "", 1).isdecimal()
