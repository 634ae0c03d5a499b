"""What a customer is asked besides product and quantity: numbers of a line, and questions about the whole order."""

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quoter.engine.lengths import parse_quantity
from quoter.engine.numbers import EMPTY, Figure, NumberUnclear, canonical, written
from quoter.engine.text import Text, joined
from quoter.engine.units import unit_text

# Labels stand in quotation marks, because a price book does not say whether they are masculine or feminine.
OUT_OF_BOUNDS = Text(es="«{label}» va de {low} a {high}.", en="“{label}” goes from {low} to {high}.")
NOTHING_AT_ALL = Text(
    es="«{label}» no puede ser cero ni menos: va de {low} a {high}.",
    en="“{label}” cannot be zero or less: it goes from {low} to {high}.",
)
TOO_LITTLE = Text(es="«{label}» es de {low} como mínimo.", en="“{label}” is at least {low}.")
NOT_WHOLE = Text(es="«{label}» va sin decimales.", en="“{label}” takes whole numbers only.")
NUMBER_PLEASE = Text(es="Escribe un número en «{label}».", en="Enter a number for “{label}”.")
CHOOSE = Text(es="Elige una opción en «{label}».", en="Choose an option for “{label}”.")
FILL_IN = Text(es="Falta: {label}.", en="Still missing: {label}.")
NO_DATE = Text(es="Elige un día en «{label}».", en="Choose a day for “{label}”.")
NO_HOUR = Text(es="Elige una hora en «{label}».", en="Choose a time for “{label}”.")

# A field with the answer to a question, and its place in the HTTP contract, begin with this.
ANSWER = "answers."
# Characters of an answer in words. Two of them fit a chat message with the lines of most quotes.
LONGEST = 300


class Refused(ValueError):
    """An answer cannot be used. message: for the customer."""

    def __init__(self, message: Text) -> None:
        super().__init__(message.en)
        self.message = message


def unclear_at(label: Text, unclear: NumberUnclear) -> Text:
    """Return what is wrong with a number, with the field's label where nothing was typed."""
    return NUMBER_PLEASE.fill(label=label) if unclear.message == EMPTY else unclear.message


def out_of_bounds(label: Text, number: Decimal, *, low: Decimal, high: Decimal, unit: Text) -> Text:
    """Return what a customer reads who types a number outside of these bounds. unit: as written, "" for none."""
    words = NOTHING_AT_ALL if number <= 0 < low else OUT_OF_BOUNDS
    return words.fill(label=label, low=written(low), high=_with_unit(high, unit))


def _with_unit(number: Decimal, unit: Text) -> Text:
    return joined(" ", [written(number), unit]) if unit.es else Text.model_validate(written(number))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Part):
    """A number that a customer states, such as kilometres.

    unit: its own; min, max: both included; default: what an empty field counts; without one it has to be filled in.
    whole: whether decimals are refused. beyond: what a customer reads who states more than the max.
    """

    code: str
    label: Text
    unit: str = ""
    min: Figure = Decimal(0)
    max: Figure | None = None
    default: Figure | None = None
    whole: bool = False
    hint: Text | None = None
    help: Text | None = None
    icon: str = ""
    beyond: Text | None = None

    def read(self, typed: str, *, unit: Text) -> Decimal:
        """Return the number in a text; Refused when it is missing, unreadable or out of bounds. unit: as written."""
        if not typed.strip() and self.default is not None:
            return self.default
        try:
            number = parse_quantity(typed, unit=self.unit)
        except NumberUnclear as unclear:
            raise Refused(unclear_at(self.label, unclear)) from unclear
        if self.max is not None and number > self.max and self.beyond:
            raise Refused(self.beyond)
        if self.max is not None and not self.min <= number <= self.max:
            raise Refused(out_of_bounds(self.label, number, low=self.min, high=self.max, unit=unit))
        if number < self.min:
            raise Refused(TOO_LITTLE.fill(label=self.label, low=_with_unit(self.min, unit)))
        if self.whole and number % 1:
            raise Refused(NOT_WHOLE.fill(label=self.label))
        return number


class Answer(_Part):
    """One choice of a question. values: numbers that rules may use, by name; icon: one of the bundled set."""

    code: str
    label: Text
    help: Text | None = None
    icon: str = ""
    values: dict[str, Figure] = {}


class Question(Input):
    """A question about the whole order, asked once.

    kind: a number, one of the choices, a day, an hour, or words (an address or notes). required: whether an empty
    answer is refused, which by default only those are on which prices may depend; a question with a default is never
    empty. default_choice: the choice that counts until another one is made. Rules may use every answer but words.
    at_checkout: asked only when the customer goes to the chat.
    """

    kind: Literal["number", "choice", "date", "time", "address", "notes"] = "number"
    choices: tuple[Answer, ...] = ()
    default_choice: str = ""
    required: bool | None = None
    at_checkout: bool = False

    @property
    def is_of_words(self) -> bool:
        return self.kind in ("address", "notes")

    @property
    def waits(self) -> bool:
        """Whether it is asked only at checkout. Words always are, because they may be personal."""
        return self.at_checkout or self.is_of_words

    @property
    def is_required(self) -> bool:
        return not self.waits if self.required is None else self.required

    def choice(self, code: str) -> Answer | None:
        return next((choice for choice in self.choices if choice.code == code), None)

    def answer(self, typed: str) -> str:
        """Return the answer in its one spelling, "" for none; Refused when it cannot be used or is missing."""
        text = " ".join(typed.split())[:LONGEST] or self.default_choice
        if not text and (self.kind != "number" or self.default is None):
            if not self.is_required:
                return ""
            raise Refused((CHOOSE if self.kind == "choice" else FILL_IN).fill(label=self.label))
        if self.kind == "number":
            return canonical(self.read(text, unit=unit_text(self.unit)))
        if self.kind == "choice" and self.choice(text) is None:
            raise Refused(CHOOSE.fill(label=self.label))
        if self.kind == "date":
            return _iso(date, text, NO_DATE.fill(label=self.label))
        return _iso(time, text, NO_HOUR.fill(label=self.label)) if self.kind == "time" else text


def _iso(kind: type[date] | type[time], text: str, message: Text) -> str:
    try:
        found = kind.fromisoformat(text)
    except ValueError as error:
        raise Refused(message) from error
    return found.isoformat(timespec="minutes") if isinstance(found, time) else found.isoformat()


def read_answers(questions: tuple[Question, ...], typed: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Text]]:
    """Return the answers that are there, by code, and a message for each that is wrong or missing."""
    answers, errors = {}, {}
    for question in questions:
        try:
            if text := question.answer(typed.get(question.code, "")):
                answers[question.code] = text
        except Refused as refused:
            errors[question.code] = refused.message
    return answers, errors
