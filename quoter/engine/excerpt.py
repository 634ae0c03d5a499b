"""The part of a price book that one quote has used: a small book that will always give the same quote."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from quoter.engine.fees import Fee
from quoter.engine.measure import Measure
from quoter.engine.pricebook import Option, PriceBook, Product
from quoter.engine.questions import Question
from quoter.engine.quote import Quote, QuotedFee, QuoteLine


def of(book: PriceBook, quote: Quote) -> PriceBook:
    """Return the part of the book that a quote has used.

    Its helpers have no bounds, because the lines have passed them already; for the same
    reason it has no limits, and of the fees only those that were charged.
    """
    units = {line.unit for line in quote.lines}
    return book.model_copy(
        update={
            "taxes": book.taxes_on(quote.issued_at.date()),
            "products": tuple(
                _of_product(product, lines, quote)
                for product in book.products
                if (lines := [line for line in quote.lines if line.product == product.code])
            ),
            "presets": (),
            "examples": (),
            "limits": (),
            "units": tuple(unit for unit in book.units if unit.code in units or _has_rules(book)),
            "questions": tuple(_of_question(question, quote) for question in book.priced_questions),
            "fees": _charged(book.fees, (*quote.fees, *quote.discounts)),
        }
    )


# What only the calculator shows of an input or a question.
_UNSEEN: dict[str, Any] = {"hint": None, "help": None, "icon": ""}


def _has_rules(book: PriceBook) -> bool:
    return bool(book.fees or any(product.fees or product.inputs for product in book.products))


def _of_product(product: Product, lines: list[QuoteLine], quote: Quote) -> Product:
    keys = [{**line.options, **{code: quote.answers.get(code, "") for code in product.by_questions}} for line in lines]
    used = {id(listed) for key in keys if (listed := product.price_list(key))}
    extras = {extra.code for line in lines for extra in line.extras}
    return product.model_copy(
        update={
            "options": tuple(_of_option(option, lines) for option in product.options),
            "prices": tuple(listed for listed in product.prices if id(listed) in used),
            "not_offered": (),
            "extras": tuple(
                extra.model_copy(update={"help": None, "icon": "", "when": ()})
                for extra in product.extras
                if extra.code in extras or product.fees or product.quantities  # which may count it
            ),
            "measures": tuple(
                _of_measure(measure, lines)
                for measure in product.measures
                if any(line.measure["kind"] == measure.kind for line in lines)
            ),
            "help": None,
            "icon": "",
            "group": None,
            "falls": False,
            "groups": (),
            "limits": (),
            "inputs": tuple(asked.model_copy(update=_UNSEEN) for asked in product.inputs),
            "fees": _charged(product.fees, (fee for line in lines for fee in (*line.fees, *line.discounts))),
        }
    )


def _of_option(option: Option, lines: list[QuoteLine]) -> Option:
    chosen = {line.options.get(option.code) for line in lines}
    # Without the other choices, one that adds nothing has to say so.
    add = {"add": Decimal(0)} if option.adds_to_price else {}
    choices = tuple(
        choice.model_copy(update={"help": None, "icon": "", **({} if choice.add else add)})
        for choice in option.choices
        if choice.code in chosen
    )
    return option.model_copy(update={"choices": choices, "help": None})


def _of_measure(measure: Measure, lines: list[QuoteLine]) -> Measure:
    table = measure.coefficients
    if table:
        is_used = any(table.name in line.measure for line in lines)
        rows = tuple(row.model_copy(update={"help": None, "icon": ""}) for row in table.choices)
        # One whose default changes nothing, and of which nothing else was chosen, is in no line.
        table = table.model_copy(update={"choices": rows, "help": None}) if is_used else None
    return measure.model_copy(update={"bounds": {}, "hints": {}, "usual": {}, "help": None, "coefficients": table})


def _of_question(question: Question, quote: Quote) -> Question:
    answer = quote.answers.get(question.code)
    choices = tuple(
        choice.model_copy(update={"help": None, "icon": ""}) for choice in question.choices if choice.code == answer
    )
    # Not required: who asks for the same again gives the same answers, or none where there was none.
    return question.model_copy(update={"choices": choices, "default_choice": "", "required": False, **_UNSEEN})


def _charged(fees: Iterable[Fee], quoted: Iterable[QuotedFee]) -> tuple[Fee, ...]:
    codes = {fee.code for fee in quoted}
    return tuple(fee for fee in fees if fee.code in codes)
