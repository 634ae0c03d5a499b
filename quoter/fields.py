"""What the calculator's template shows: lines, their controls, and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from quoter.engine.pricebook import Product
from quoter.engine.quote import QuoteLine


class Fault(NamedTuple):
    """One thing to correct.

    target: the id of its control; error: that of the message there; label: of the field; where: the line, of several.
    """

    target: str
    error: str
    label: str
    message: str
    where: str = ""

    @property
    def prefix(self) -> str:
        """What the message does not say itself."""
        label = "" if self.label.casefold() in self.message.casefold() else self.label
        return " · ".join(filter(None, [self.where, label]))


@dataclass(frozen=True)
class Tile:
    """A product or kind of work to tap. edit: what the button does; is_chosen: whether it was tapped."""

    edit: str
    label: str
    help: str = ""
    icon: str = ""
    is_chosen: bool = False


class TileGroup(NamedTuple):
    heading: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Card:
    """One choice of an option, of a helper's table or of a group of extras. price: its difference to the chosen one."""

    code: str
    label: str
    help: str = ""
    icon: str = ""
    price: str = ""


@dataclass(frozen=True)
class Field:
    """One control, for the template.

    errors: messages beside it; unit: written after it; hint, help: a line below it; usual: the value that most people
    take; takes_lengths: of any unit; read_as: what one of another unit was read as; keyboard: of a phone;
    has_digits_first: whether a script shows only digits on it; placeholder: what counts while it is empty; kind: of
    what is typed, as `Question` has it.
    """

    name: str
    label: str
    value: str = ""
    errors: tuple[str, ...] = ()
    unit: str = ""
    hint: str = ""
    help: str = ""
    usual: str = ""
    read_as: str = ""
    takes_lengths: bool = False
    has_digits_first: bool = False
    keyboard: str = "decimal"
    placeholder: str = ""
    kind: str = "number"

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")

    @property
    def has_notes(self) -> bool:
        return bool(self.hint or self.help or self.usual or self.takes_lengths)

    @property
    def target(self) -> str:
        """The id of the control that gets the focus when it is wrong."""
        return self.id

    @property
    def described_by(self) -> str:
        """The ids of what stands beside it, for screen readers."""
        parts = {"unit": True, "help": self.has_notes, "error": self.errors}
        return " ".join(f"{self.id}-{part}" for part, is_there in parts.items() if is_there)

    def faults(self) -> Iterator[Fault]:
        for message in self.errors:
            yield Fault(self.target, f"{self.id}-error", self.label, message)


@dataclass(frozen=True)
class ChoiceField(Field):
    """A control with fixed choices. value: the chosen one; suggested: the preset's; reason: why, as the preset says.

    default: the choice that counts without being made; has_prices: whether its choices can have a price each.
    """

    cards: tuple[Card, ...] = ()
    suggested: str = ""
    reason: str = ""
    default: str = ""
    has_prices: bool = False

    @property
    def target(self) -> str:
        codes = [card.code for card in self.cards]
        return f"{self.id}.{self.value if self.value in codes else codes[0]}" if self.kind != "choice" else self.id

    @property
    def described_by(self) -> str:
        """The ids of what stands around its choices, for screen readers."""
        parts = {"help": self.help, "error": self.errors}
        return " ".join(f"{self.id}-{part}" for part, is_there in parts.items() if is_there)

    @property
    def is_detailed(self) -> bool:
        return any(card.help or card.icon for card in self.cards)


@dataclass(frozen=True)
class MeasureField:
    """One measuring helper: a radio button, a drawing and its inputs. lengths: each input's label in the drawing."""

    id: str
    kind: str
    label: str
    help: str
    is_chosen: bool
    is_known: bool
    drawing: str
    lengths: dict[str, str]
    inputs: tuple[Field, ...]
    table: ChoiceField | None
    errors: tuple[str, ...]

    @property
    def has_digits_first(self) -> bool:
        return any(control.has_digits_first for control in self.inputs)

    def faults(self) -> Iterator[Fault]:
        for control in self.controls():
            yield from control.faults()
        for message in self.errors:
            yield Fault(self.inputs[0].id, f"{self.id}-error", self.label, message)

    def controls(self) -> Iterator[Field]:
        yield from self.inputs
        if self.table:
            yield self.table


@dataclass(frozen=True)
class ExtraField:
    code: str
    label: str
    hint: str
    icon: str
    price: str
    is_chosen: bool


@dataclass(frozen=True)
class LineView:
    """A line as the template shows it.

    path: the prefix of its fields' names; product: None until one is chosen; quoted: the priced line, None while it is
    incomplete; is_beyond: whether its quantity is above what is quoted online; is_open: not folded; is_begun: past the
    first question; is_direct: whether its fields can be opened without an answer to that; presets, products: what can
    be chosen first; measure: the chosen helper, or the first one; other_measures: the rest; extra_groups: extras of
    which one is chosen; can_switch: whether another product can be chosen instead.
    """

    number: int
    path: str
    product: Product | None
    label: str
    help: str
    icon: str
    quoted: QuoteLine | None
    is_beyond: bool
    is_open: bool
    is_begun: bool
    is_direct: bool
    can_switch: bool
    presets: tuple[Tile, ...]
    products: tuple[TileGroup, ...]
    preset_code: str
    preset: str
    options: tuple[ChoiceField, ...]
    inputs: tuple[Field, ...]
    kind_errors: tuple[str, ...]
    measure: MeasureField
    other_measures: tuple[MeasureField, ...]
    extras: tuple[ExtraField, ...]
    extra_groups: tuple[ChoiceField, ...]
    extras_errors: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def ordinal(self) -> int:
        return self.number + 1

    @property
    def measures(self) -> tuple[MeasureField, ...]:
        return (self.measure, *self.other_measures)

    @property
    def tile_count(self) -> int:
        return len(self.presets) + sum(len(group.tiles) for group in self.products)

    def priced_options(self) -> Iterator[ChoiceField]:
        """Yield the controls whose choices have prices that follow the others."""
        yield from (option for option in self.options if option.has_prices)

    def lengths(self) -> Iterator[Field]:
        """Yield the shown controls that take lengths of any unit."""
        yield from (control for control in (*self.measure.inputs, *self.inputs) if control.takes_lengths)

    @property
    def has_digits_first(self) -> bool:
        return any(control.has_digits_first for control in self.inputs)

    def wrong_fields(self) -> Iterator[Field]:
        """Yield the controls that have errors, in the order of the page."""
        yield from (control for control in self.options if control.errors)
        for measure in self.measures:
            yield from (control for control in measure.controls() if control.errors or measure.errors)
        yield from (control for control in self.inputs if control.errors)

    def faults(self) -> Iterator[Fault]:
        """Yield everything that is wrong with the line, in the order of the page."""
        for message in self.errors:
            yield Fault(f"line-{self.number}", f"line-{self.number}-error", self.label, message)
        for option in self.options:
            yield from option.faults()
        for message in self.kind_errors:
            yield Fault(f"{self.path}.{self.measure.kind}", f"{self.path}.kind-error", self.label, message)
        for measure in self.measures:
            yield from measure.faults()
        for control in self.inputs:
            yield from control.faults()
        for message in self.extras_errors:
            yield Fault(f"{self.path}.extras", f"{self.path}.extras-error", self.label, message)

    def icons(self) -> Iterator[str]:
        """Yield the name of each icon that the line shows, or "" for none."""
        yield self.icon
        for tile in (*self.presets, *(tile for group in self.products for tile in group.tiles)):
            yield tile.icon
        tables = [measure.table for measure in self.measures if measure.table]
        for control in (*self.options, *tables, *self.extra_groups):
            yield from (card.icon for card in control.cards)
        yield from (extra.icon for extra in self.extras)
