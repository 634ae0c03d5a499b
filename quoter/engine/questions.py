"""What a customer is asked besides product and quantity: numbers of a line, and questions about the whole order."""

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quoter.engine.lengths import parse_quantity
from quoter.engine.numbers import Figure, NumberUnclear, canonical
from quoter.engine.text import Text
from quoter.engine.units import unit_text

OUT_OF_BOUNDS = Text(es="{label}: de {low} a {high} {unit}.", en="{label}: from {low} to {high} {unit}.")
TOO_LITTLE = Text(es="{label}: {low} {unit} como mínimo.", en="{label}: at least {low} {unit}.")
TOO_MUCH = Text(es="{label}: {high} {unit} como máximo.", en="{label}: at most {high} {unit}.")
NOT_WHOLE = Text(es="{label}: sin decimales.", en="{label}: whole numbers only.")
CHOOSE = Text(es="Elige una opción: {label}.", en="Choose an option: {label}.")
FILL_IN = Text(es="Falta: {label}.", en="Still missing: {label}.")
NO_DATE = Text(es="{label}: elige un día.", en="{label}: choose a day.")
NO_HOUR = Text(es="{label}: elige una hora.", en="{label}: choose an hour.")

# A field with the answer to a question, and its place in the HTTP contract, begin with this.
ANSWER = "answers."
# Characters of an answer in words. Two of them fit a chat message with the lines of most quotes.
LONGEST = 300


class Refused(ValueError):
    """An answer cannot be used. message: for the customer."""

    def __init__(self, message: Text) -> None:
        super().__init__(message.en)
        self.message = message


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
            raise Refused(unclear.message) from unclear
        words: dict[str, str | Text] = {"label": self.label, "unit": unit, "low": canonical(self.min)}
        if self.max is not None and number > self.max and self.beyond:
            raise Refused(self.beyond)
        if self.max is not None and not self.min <= number <= self.max:
            raise Refused(OUT_OF_BOUNDS.fill(high=canonical(self.max), **words))
        if number < self.min:
            raise Refused(TOO_LITTLE.fill(**words))
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
