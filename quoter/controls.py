"""Prepares the calculator's controls for the template: lines and questions with what was typed and what is wrong.

The controls follow the price book; nothing here depends on a trade.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from quoter.conversation import is_beyond
from quoter.differences import differences
from quoter.engine.explain_fees import percent
from quoter.engine.lengths import converted, is_length
from quoter.engine.measure import AMOUNT, INPUTS_OF, QUANTITIES, Measure
from quoter.engine.numbers import canonical, money
from quoter.engine.pricebook import Extra, Option, Preset, PriceBook, Product
from quoter.engine.questions import Input, Question
from quoter.engine.quote import QuoteLine
from quoter.engine.refusal import FieldError
from quoter.engine.text import Language, Text, alone
from quoter.engine.units import unbroken
from quoter.fields import Card, ChoiceField, ExtraField, Fault, Field, LineView, MeasureField, Tile, TileGroup
from quoter.forms import ANSWER, MANY, TypedLine

NOT_CHOSEN = Text(es="Por elegir", en="To be chosen")
NONE_OF_THEM = Text(es="Ninguno", en="None")
LINE = Text(es="Partida {number}", en="Line {number}")


class LineViews:
    """Makes the lines of the page from what was typed and from the errors in it.

    answers: about the whole order; is_whole: with all that can be chosen, and not only what follows from what was.
    """

    def __init__(
        self,
        book: PriceBook,
        errors: Iterable[FieldError],
        language: Language,
        answers: Mapping[str, str],
        *,
        is_whole: bool = True,
    ) -> None:
        self._book, self._language, self._answers, self._is_whole = book, language, answers, is_whole
        errors = list(errors)
        self._wrong_lines = {error.field.split(".")[1] for error in errors if error.field.startswith("lines.")}
        self._errors: dict[str, list[str]] = {}
        for error in errors:
            self._errors.setdefault(error.field, []).append(unbroken(error.message.in_(language)))

    def general(self) -> list[str]:
        """Return the errors of the request as a whole."""
        return [*self._errors.get("", []), *self._errors.get("lines", [])]

    def of(self, lines: Sequence[TypedLine], quoted: Iterable[QuoteLine | None]) -> list[LineView]:
        """Return the lines to show. quoted: for each what it costs, or None while it cannot be priced."""
        quoted = list(quoted)
        billed: dict[str, Decimal] = {}
        for cost in filter(None, quoted):
            billed[cost.product] = billed.get(cost.product, Decimal(0)) + cost.billed
        is_alone = len(lines) == 1
        return [
            self._line(number, line, cost, billed, is_alone)
            for number, (line, cost) in enumerate(zip(lines, quoted, strict=True))
        ]

    def faults(self, lines: Sequence[LineView], questions: Iterable[Field]) -> list[Fault]:
        """Return everything to correct, in the order of the page. Of several lines, each fault says which it is."""
        found = []
        for line in lines:
            where = LINE.say(self._language, number=str(line.ordinal)) if len(lines) > 1 else ""
            found += [fault._replace(where=where) for fault in line.faults()]
        return found + [fault for question in questions for fault in question.faults()]

    def _line(
        self,
        number: int,
        line: TypedLine,
        quoted: QuoteLine | None,
        billed: Mapping[str, Decimal],
        is_alone: bool,
    ) -> LineView:
        book, path = self._book, f"lines.{number}"
        # A line without a product has the controls of one, which the page does not show.
        shown = book.product(line.product) or book.products[0]
        product = shown if line.product or len(book.products) == 1 else None
        is_wrong = str(number) in self._wrong_lines
        # The page first asks for the kind of work, so an untouched line offers the presets of every product.
        is_untouched = not product or not (line.is_begun(shown) or line.is_edited or is_wrong)
        presets = [preset for preset in book.presets if is_untouched or preset.product == shown.code]
        chosen = next((preset for preset in presets if preset.code == line.preset), None)
        chosen_measure = shown.measure(line.kind) or shown.measures[0]
        others = (each for each in shown.measures if each is not chosen_measure) if self._is_whole else ()
        own = quoted.billed if quoted else None
        quantity = billed.get(shown.code) if shown.tiers_across == "product" else own
        return LineView(
            number=number,
            path=path,
            product=product,
            label=self._words(shown.label if product else NOT_CHOSEN),
            help=self._maybe(shown.help) if product else "",
            icon=shown.icon if product else "",
            quoted=quoted,
            is_beyond=is_wrong and is_beyond(book, line.request()),
            is_open=is_alone or line.is_edited or is_wrong or quoted is None,
            is_begun=bool(product) and (line.is_begun(shown) or is_wrong or not presets or not is_untouched),
            is_direct=bool(product),
            can_switch=bool(product) and not is_untouched and len(book.products) > 1,
            presets=tuple(self._preset(number, preset, chosen) for preset in presets) if self._is_whole else (),
            products=tuple(self._products(number, product)) if is_untouched and self._is_whole else (),
            preset_code=chosen.code if chosen else "",
            preset=self._words(chosen.label) if chosen else "",
            options=tuple(self._option(path, shown, option, line, chosen, quantity) for option in shown.options),
            inputs=tuple(
                self._input(f"{path}.inputs.{asked.code}", asked, line.inputs.get(asked.code, ""), chosen)
                for asked in shown.inputs
            ),
            kind_errors=self._at(f"{path}.measure.kind"),
            measure=self._measure(path, shown, chosen_measure, line, chosen),
            other_measures=tuple(self._measure(path, shown, each, line, chosen) for each in others),
            extras=tuple(self._extras(shown, line)) if self._is_whole else (),
            extra_groups=tuple(self._extra_groups(path, shown, line)) if self._is_whole else (),
            extras_errors=self._at(f"{path}.extras"),
            errors=(*self._at(path), *self._at(f"{path}.product")),
        )

    # --- What is chosen first -----------------------------------------------------------------------------------------

    def _products(self, number: int, chosen: Product | None) -> Iterator[TileGroup]:
        """Yield the products to choose from, below their headings: those that no kind of work leads to, or all."""
        products = self._book.products
        led_to = {preset.product for preset in self._book.presets} if len(products) <= MANY else set()
        headings: dict[str, list[Tile]] = {}
        for product in products if len(products) > 1 else ():
            if product.code not in led_to:
                is_chosen = product is chosen and not self._book.presets
                edit = f"product:{number}:{product.code}"
                tile = Tile(edit, self._words(product.label), self._maybe(product.help), product.icon, is_chosen)
                headings.setdefault(self._maybe(product.group), []).append(tile)
        for heading, tiles in headings.items():
            yield TileGroup(heading, tuple(tiles))

    def _preset(self, number: int, preset: Preset, chosen: Preset | None) -> Tile:
        edit = f"preset:{number}:{preset.code}"
        return Tile(edit, self._words(preset.label), self._maybe(preset.help), preset.icon, preset is chosen)

    # --- Options and extras -------------------------------------------------------------------------------------------

    def _option(
        self,
        path: str,
        product: Product,
        option: Option,
        line: TypedLine,
        preset: Preset | None,
        quantity: Decimal | None,
    ) -> ChoiceField:
        chosen = {**{code: self._answers.get(code, "") for code in product.by_questions}, **line.options}
        prices = differences(self._book, product, option, chosen, quantity=quantity, language=self._language)
        # The reason stands beside the last option that the preset fills in.
        is_last = preset and option.code in preset.options and option.code == [*preset.options][-1]
        return ChoiceField(
            name=f"{path}.options.{option.code}",
            label=self._words(option.label),
            value=line.options.get(option.code, ""),
            cards=tuple(
                Card(
                    each.code,
                    alone(self._words(each.label)),
                    self._maybe(each.help),
                    each.icon,
                    prices.get(each.code, ""),
                )
                for each in option.choices
            ),
            help=self._maybe(option.help),
            errors=self._at(f"{path}.options.{option.code}"),
            suggested=preset.options.get(option.code, "") if preset else "",
            reason=self._maybe(preset.reason) if preset and is_last else "",
            has_prices=len(option.choices) > 1,
            kind="option",
        )

    def _extras(self, product: Product, line: TypedLine) -> Iterator[ExtraField]:
        for extra in product.extras:
            if not extra.group:
                said = (
                    self._words(extra.label),
                    self._maybe(extra.help),
                    extra.icon,
                    self._extra_price(extra, product),
                )
                yield ExtraField(extra.code, *said, extra.code in line.extras)

    def _extra_groups(self, path: str, product: Product, line: TypedLine) -> Iterator[ChoiceField]:
        for group in product.groups:
            extras = [extra for extra in product.extras if extra.group == group.code]
            cards = [
                Card(
                    extra.code,
                    alone(self._words(extra.label)),
                    self._maybe(extra.help),
                    extra.icon,
                    f"+ {self._extra_price(extra, product)}",
                )
                for extra in extras
            ]
            none = [] if group.choose == "one" else [Card("", self._words(NONE_OF_THEM))]
            yield ChoiceField(
                name=f"{path}.extras.{group.code}",
                label=self._words(group.label),
                value=next((extra.code for extra in extras if extra.code in line.extras), ""),
                cards=(*none, *cards),
                kind="extras",
            )

    def _extra_price(self, extra: Extra, product: Product) -> str:
        if extra.rate:
            return percent(extra.rate)
        counted = extra.unit if extra.quantity else product.unit if extra.per == "unit" else ""
        unit = self._words(self._book.unit_text(counted, Decimal(1))) if counted else ""
        price = money(extra.price, self._book.currency)
        return f"{price}/{unit}" if unit else price

    # --- Numbers ------------------------------------------------------------------------------------------------------

    def _measure(
        self, path: str, product: Product, measure: Measure, line: TypedLine, preset: Preset | None
    ) -> MeasureField:
        is_chosen = measure.kind == line.kind
        preset = preset if preset and preset.measure == measure.kind else None

        def errors(name: str) -> tuple[str, ...]:
            return self._at(f"{path}.measure.{name}") if is_chosen else ()

        def value(name: str) -> str:
            return line.measures.get(f"{measure.kind}.{name}", "")

        inputs = []
        quantity_errors = errors(QUANTITIES.get(product.unit, AMOUNT))
        for name in measure.inputs(product.unit):
            asked = measure.asked(name, product.unit)
            control = self._input(f"{path}.measure.{measure.kind}.{name}", asked, value(name), preset)
            usual = control.usual or measure.usual.get(name, "")
            more = errors(name) + (quantity_errors if measure.formula == "known" else ())
            inputs.append(replace(control, errors=more, usual=usual))
        table = None
        if rows := measure.coefficients:
            table = ChoiceField(
                name=f"{path}.measure.{measure.kind}.{rows.name}",
                label=self._words(rows.label),
                value=value(rows.name) or rows.default,
                cards=tuple(
                    Card(row.code, alone(self._words(row.label)), self._maybe(row.help), row.icon)
                    for row in rows.choices
                ),
                help=self._maybe(rows.help),
                errors=errors(rows.name),
                default=rows.default,
                kind="table",
            )
        return MeasureField(
            id=f"{path}.{measure.kind}",
            kind=measure.kind,
            label=self._words(measure.label),
            help=self._maybe(measure.help),
            is_chosen=is_chosen,
            is_known=measure.formula == "known",
            drawing=f"quoter/drawings/{measure.formula}.svg" if measure.formula in INPUTS_OF else "",
            lengths={field.name.rpartition(".")[2]: field.label for field in inputs},
            inputs=tuple(inputs),
            table=table,
            errors=() if measure.formula == "known" else quantity_errors,
        )

    def _input(self, name: str, asked: Input, typed: str, preset: Preset | None = None) -> Field:
        hint = (preset.hints.get(asked.code) if preset else None) or asked.hint
        read_as = converted(typed, unit=asked.unit)
        return Field(
            name=name,
            label=self._words(asked.label),
            value=typed,
            unit=self._words(self._book.unit_text(asked.unit)) if asked.unit else "",
            hint=unbroken(self._maybe(hint)),
            help=self._maybe(asked.help),
            usual=preset.inputs.get(asked.code, "") if preset else "",
            read_as=read_as,
            takes_lengths=is_length(asked.unit),
            # With inputmode decimal, numeric or tel, neither iOS nor Android shows ' or letters: 20' and 4 in need the
            # whole keyboard. In Spanish nearly everybody measures in metres, and the whole keyboard would cost them a
            # tap in each field. So there a script shows digits until the customer asks for feet and inches.
            keyboard="text" if is_length(asked.unit) else "decimal",
            has_digits_first=is_length(asked.unit) and self._language == "es" and not read_as,
            placeholder="" if asked.default is None else canonical(asked.default),
            kind=asked.kind if isinstance(asked, Question) else "number",
            errors=self._at(name),
        )

    # --- The whole order ----------------------------------------------------------------------------------------------

    def questions(self) -> list[Field]:
        """Return the questions about the whole order."""
        asked = self._book.priced_questions
        return [self._question(question, self._answers.get(question.code, "")) for question in asked]

    def _question(self, question: Question, typed: str) -> Field:
        control = self._input(f"{ANSWER}{question.code}", question, typed)
        if question.kind != "choice":
            return control
        return ChoiceField(
            name=control.name,
            label=control.label,
            value=typed or question.default_choice,
            errors=control.errors,
            help=control.help,
            cards=tuple(Card(choice.code, alone(self._words(choice.label))) for choice in question.choices),
            kind="choice",
        )

    def _at(self, path: str) -> tuple[str, ...]:
        return tuple(self._errors.get(path, ()))

    def _maybe(self, text: Text | None) -> str:
        return text.in_(self._language) if text else ""

    def _words(self, text: Text) -> str:
        return text.in_(self._language)
