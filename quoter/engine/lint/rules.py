"""Checks the rules of a price book: that every name is known, every condition can hold and every fee has its price."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product

from quoter.engine.conditions import ALL, Condition
from quoter.engine.fees import Fee, all_tiers
from quoter.engine.finding import BookFinding
from quoter.engine.lint import asked as asked_for
from quoter.engine.lint import spans
from quoter.engine.lint.ladder import ladder_findings
from quoter.engine.lint.spans import Span, most_billed
from quoter.engine.measure import Measure
from quoter.engine.numbers import canonical, decimal_places
from quoter.engine.pricebook import Extra, Limit, PriceBook, Product
from quoter.engine.quantities import Quantity, names_in
from quoter.engine.questions import Question

Findings = Iterator[BookFinding]
_CENT = Decimal("0.01")


@dataclass
class Known:
    """What the rules of a place may name.

    numbers: by name, what each can be; choices: the codes of each option or question; kinds: of questions that have no
    choices; amounts: codes that have been charged so far; unanswered: questions with choices that may be left so.
    """

    numbers: dict[str, "Span"] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    amounts: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)

    def copy(self) -> "Known":
        return Known(dict(self.numbers), dict(self.choices), dict(self.kinds), set(self.amounts), set(self.unanswered))


def findings(book: PriceBook) -> Findings:
    """Yield what is wrong with the questions, inputs, quantities, fees, extras and limits of a book."""
    asked = Known()
    yield from _questions(book.questions, asked)
    order = asked.copy()
    for number, sold in enumerate(book.products):
        yield from _of_product(sold, asked, order, f"products[{number}]")
    order.numbers |= {"lines": Span(Decimal(1), Decimal(1))}
    yield from _quantities(book.quantities, order, "quantities")
    for number, fee in enumerate(book.fees):
        yield from _fee(fee, order, f"fees[{number}]")
        order.amounts.add(fee.code)
    yield from _limits(book.limits, order, "limits")


def _questions(questions: Sequence[Question], known: Known) -> Findings:
    for number, question in enumerate(questions):
        here = f"questions[{number}]"
        yield from asked_for.of_question(question, here)
        if question.waits:
            continue
        if question.kind == "number":
            known.numbers[question.code] = spans.of_input(question)
        else:
            known.choices[question.code] = [choice.code for choice in question.choices]
            known.kinds[question.code] = question.kind
            if question.kind == "choice" and not question.is_required and not question.default_choice:
                known.unanswered.add(question.code)
        yield from _values(question.code, [choice.values for choice in question.choices], known, f"{here}.choices")


def _values(code: str, values: Sequence[Mapping[str, Decimal]], known: Known, place: str) -> Findings:
    """Check that every choice gives the same numbers, and note them."""
    names = {name for each in values for name in each}
    for number, each in enumerate(values):
        if missing := names - each.keys():
            yield BookFinding(
                f"{place}[{number}].values", "%(of)s: lacks %(names)s", of=code, names=", ".join(sorted(missing))
            )
    for name in names:
        figures = [each[name] for each in values if name in each]
        if code in known.unanswered:
            figures.append(Decimal(0))
        known.numbers[name] = Span(Decimal(0), min(figures), max(figures))


def _of_product(sold: Product, asked: Known, order: Known, place: str) -> Findings:
    known = asked.copy()
    known.choices |= {option.code: [choice.code for choice in option.choices] for option in sold.options}
    for number, option in enumerate(sold.options):
        values = [choice.values for choice in option.choices]
        yield from _values(option.code, values, known, f"{place}.options[{number}].choices")
    for number, stated in enumerate(sold.inputs):
        yield from asked_for.of_input(stated, f"{place}.inputs[{number}]")
        known.numbers[stated.code] = spans.of_input(stated)
    yield from _measures(sold, known, place)
    known.numbers |= {
        "requested": Span(Decimal(0), Decimal(0), sold.maximum),
        "billed": _billed(sold),
    }
    if sold.pack:
        known.numbers["packs"] = Span(Decimal(1), Decimal(1))
        yield from _names(names_in([(sold.pack.size,)]), known, f"{place}.pack.size")
    known.numbers |= {extra.code: Span(Decimal(1), Decimal(0), Decimal(1)) for extra in sold.extras}
    yield from _quantities(sold.quantities, known, f"{place}.quantities")
    known.amounts.add(sold.code)
    for number, extra in enumerate(sold.extras):
        yield from _extra(extra, known, f"{place}.extras[{number}]")
        known.amounts.add(extra.code)
    for number, fee in enumerate(sold.fees):
        yield from _fee(fee, known, f"{place}.fees[{number}]")
        known.amounts.add(fee.code)
    yield from _limits(sold.limits, known, f"{place}.limits")
    order.numbers |= {name: Span() for name in known.numbers if name not in asked.numbers}
    order.numbers[f"{sold.code}.billed"] = Span()
    order.amounts |= known.amounts


def _billed(sold: Product) -> Span:
    least = min(sold.minimum if listed.minimum is None else listed.minimum for listed in sold.prices)
    if sold.pack or sold.exact_to or sold.step <= 0:
        return Span(Decimal(0), least, most_billed(sold))
    return Span(sold.step, max(least, sold.step), most_billed(sold))


def _measures(sold: Product, known: Known, place: str) -> Findings:
    """Check what helpers calculate; a rule may use only the numbers that all of them have."""
    common: dict[str, Span] | None = None
    for number, measure in enumerate(sold.measures):
        inner = known.copy()
        inner.numbers |= _inputs_of(measure, sold.unit)
        yield from _quantities(measure.quantities, inner, f"{place}.measures[{number}].quantities")
        if measure.quantities:
            yield from _result(sold, measure, inner.numbers[measure.quantities[-1].code], f"{place}.measures[{number}]")
        for row, stated in enumerate(measure.asks):
            yield from asked_for.of_input(stated, f"{place}.measures[{number}].asks[{row}]")
        own = {name: span for name, span in inner.numbers.items() if name not in known.numbers}
        if common is not None:
            own = {name: span.joined(common[name]) for name, span in own.items() if name in common}
        common = own
    known.numbers |= common or {}


def _result(sold: Product, measure: Measure, span: Span, place: str) -> Findings:
    """Check that what a helper gives can be sold."""
    hint = f"{sold.code}, {measure.kind}"
    if span.least > sold.maximum:
        yield BookFinding(
            place,
            "%(of)s: gives at least %(least)s, and the maximum is %(maximum)s",
            of=hint,
            least=canonical(span.least),
            maximum=sold.maximum,
        )
    least = min(sold.minimum if listed.minimum is None else listed.minimum for listed in sold.prices)
    if span.most is not None and (span.most <= 0 or (sold.below_minimum == "refuse" and span.most < least)):
        yield BookFinding(
            place,
            "%(of)s: gives at most %(most)s, which is never sold",
            of=hint,
            most=canonical(span.most),
        )


def _inputs_of(measure: Measure, unit: str) -> dict[str, Span]:
    found = {name: spans.of_input(measure.asked(name, unit)) for name in measure.inputs(unit)}
    return {**found, measure.coefficients.name: Span()} if measure.coefficients else found


def _quantities(quantities: Sequence[Quantity], known: Known, place: str) -> Findings:
    for number, quantity in enumerate(quantities):
        here = f"{place}[{number}]"
        yield from _names(quantity.used_names(), known, here)
        step = quantity.step if isinstance(quantity.step, Decimal) else Decimal(0)
        if quantity.step is not None and isinstance(quantity.step, Decimal) and step <= 0:
            yield BookFinding(
                f"{here}.step", "%(of)s: a step of %(step)s is not above zero", of=quantity.code, step=step
            )
        for divisor in quantity.divide:
            least = (
                divisor if isinstance(divisor, Decimal) else known.numbers.get(divisor, Span(least=Decimal(1))).least
            )
            if least <= 0:
                yield BookFinding(
                    f"{here}.divide",
                    "%(of)s: %(divisor)s can be zero, and nothing divides by that",
                    of=quantity.code,
                    divisor=divisor,
                )
        span = spans.of_quantity(quantity, known.numbers)
        if quantity.maximum is not None and span.least > quantity.maximum:
            yield BookFinding(
                f"{here}.maximum",
                "%(of)s: is at least %(least)s, so all is refused above the maximum, %(maximum)s",
                of=quantity.code,
                least=canonical(span.least),
                maximum=quantity.maximum,
            )
        elif quantity.maximum is not None:
            span = replace(span, most=quantity.maximum if span.most is None else min(span.most, quantity.maximum))
        known.numbers[quantity.code] = span


def _names(names: Iterable[str], known: Known, place: str) -> Findings:
    for name in sorted(set(names)):
        if name not in known.numbers:
            yield BookFinding(place, "there is no number %(name)s here", name=name)


def _amounts(codes: Iterable[str], known: Known, place: str) -> Findings:
    for code in sorted(set(codes) - {ALL}):
        if code not in known.amounts:
            yield BookFinding(place, "nothing with the code %(code)s is charged before this", code=code)


def _conditions(conditions: Sequence[Condition], known: Known, place: str) -> Findings:
    for number, condition in enumerate(conditions):
        here = f"{place}.when[{number}]"
        if condition.amount_of:
            yield from _amounts(condition.amount_of, known, here)
        elif condition.has_bounds:
            yield from _names([condition.name], known, here)
        elif condition.is_of_day or condition.is_of_hour:
            kind = "date" if condition.is_of_day else "time"
            if known.kinds.get(condition.name) != kind:
                yield BookFinding(
                    here, "there is no question %(name)s of the kind %(kind)s", name=condition.name, kind=kind
                )
        else:
            yield from _choice_condition(condition, known, here)
        low = max((bound for bound in (condition.start, condition.above) if bound is not None), default=None)
        high = min((bound for bound in (condition.to, condition.below) if bound is not None), default=None)
        if low is not None and high is not None and (low > high or (low == high and not condition.is_point)):
            yield BookFinding(here, "can never hold: nothing is above %(low)s and below %(high)s", low=low, high=high)


def _choice_condition(condition: Condition, known: Known, place: str) -> Findings:
    codes = known.choices.get(condition.name)
    if codes is None:
        yield BookFinding(place, "there is no option or question %(name)s here", name=condition.name)
        return
    if not (condition.one_of or condition.is_not):
        yield BookFinding(place, "says nothing about %(name)s", name=condition.name)
    for code in (*condition.one_of, *condition.is_not):
        if code not in codes:
            yield BookFinding(place, "%(name)s has no choice %(code)s", name=condition.name, code=code)
    if codes and not [code for code in condition.one_of or codes if code not in condition.is_not]:
        yield BookFinding(place, "can never hold: no choice of %(name)s is left", name=condition.name)


def _extra(extra: Extra, known: Known, place: str) -> Findings:
    yield from _conditions(extra.when, known, place)
    yield from _names(names_in([extra.quantity]), known, f"{place}.quantity")
    if extra.rate:
        yield from _amounts(extra.of, known, f"{place}.of")


def _limits(limits: Sequence[Limit], known: Known, place: str) -> Findings:
    for number, limit in enumerate(limits):
        yield from _conditions(limit.when, known, f"{place}[{number}]")


def _fee(fee: Fee, known: Known, place: str) -> Findings:
    yield from _conditions(fee.when, known, place)
    yield from _names(fee.used_names() - {condition.name for condition in fee.when}, known, place)
    codes = {*(fee.of if fee.is_percent or fee.up_to is not None else ()), *fee.by_amount}
    yield from _amounts(codes, known, place)
    if fee.start and fee.until and fee.until < fee.start:
        yield BookFinding(
            f"{place}.until",
            "%(of)s: ends on %(until)s, before it begins on %(start)s",
            of=fee.code,
            until=fee.until,
            start=fee.start,
        )
    if fee.minimum is not None and fee.maximum is not None and fee.minimum > fee.maximum:
        yield BookFinding(
            f"{place}.minimum",
            "%(of)s: %(minimum)s is above the maximum, %(maximum)s",
            of=fee.code,
            minimum=fee.minimum,
            maximum=fee.maximum,
        )
    ways = [bool(fee.price or fee.rate), bool(fee.tiers), bool(fee.prices), fee.up_to is not None]
    if sum(ways) != 1:
        if any(ways):
            yield BookFinding(place, "%(of)s: has more than one kind of price", of=fee.code)
        else:
            yield BookFinding(place, "%(of)s: needs one of: price or rate, tiers, prices, up_to", of=fee.code)
    if not fee.quantity and decimal_places(fee.price) > 2:
        yield BookFinding(
            f"{place}.price", "%(of)s: %(price)s has more than two decimals", of=fee.code, price=fee.price
        )
    if not fee.gaps:
        yield from _table(fee, known, place)
        yield from _fee_tiers(fee, known, place)


def _table(fee: Fee, known: Known, place: str) -> Findings:
    """Check that the table has a row for every combination of the choices it names that the conditions let through."""
    codes = list(dict.fromkeys(code for row in fee.prices for code in row.options))
    for code in codes:
        if code not in known.choices:
            yield BookFinding(
                f"{place}.prices", "%(of)s: there is no option or question %(code)s", of=fee.code, code=code
            )
            return
    for number, row in enumerate(fee.prices):
        for code, choice in row.options.items():
            if choice not in known.choices[code]:
                yield BookFinding(
                    f"{place}.prices[{number}]",
                    "%(of)s: %(code)s has no choice %(choice)s",
                    of=fee.code,
                    code=code,
                    choice=choice,
                )
    answers = [[*known.choices[code], *([""] if code in known.unanswered else [])] for code in codes]
    for chosen in product(*answers) if fee.prices else ():
        options = dict(zip(codes, chosen, strict=True))
        if _lets_through(fee.when, options) and not any(row.options.items() <= options.items() for row in fee.prices):
            names = ", ".join(f"{code} {choice}" if choice else code for code, choice in options.items())
            if "" in chosen:
                yield BookFinding(
                    f"{place}.prices", "%(of)s: %(names)s has no price while unanswered", of=fee.code, names=names
                )
                continue
            yield BookFinding(f"{place}.prices", "%(of)s: %(names)s has no price", of=fee.code, names=names)


def _lets_through(conditions: Sequence[Condition], options: Mapping[str, str]) -> bool:
    for condition in conditions:
        chosen = options.get(condition.name)
        if chosen is None:
            continue
        if (condition.one_of and chosen not in condition.one_of) or chosen in condition.is_not:
            return False
    return True


def _fee_tiers(fee: Fee, known: Known, place: str) -> Findings:
    if fee.by_amount:  # of some codes, an order may have none
        span = Span(least=_CENT if ALL in fee.by_amount else Decimal(0))
    else:
        names = [fee.by] if fee.by else [name for name in fee.quantity if isinstance(name, str)]
        span = known.numbers.get(names[0], Span()) if len(names) == 1 else Span()
    least, most = _narrowed(fee, span)
    for tiers in all_tiers(fee):
        yield from ladder_findings(tiers, place, fee.code, step=span.step, least=least, most=most)


def _narrowed(fee: Fee, span: Span) -> tuple[Decimal, Decimal | None]:
    """Return the least and the most that the tiers are asked for: what the span has and the conditions let through."""
    least, most = span.least, span.most
    name = fee.by or "".join(map(str, fee.quantity))
    for condition in fee.when:
        is_same = condition.amount_of == fee.by_amount if fee.by_amount else condition.name == name
        if is_same and condition.has_bounds:
            least = max([least, *(bound for bound in (condition.start, condition.above) if bound is not None)])
            high = [bound for bound in (condition.to, condition.below, most) if bound is not None]
            most = min(high) if high else None
    return least, most
