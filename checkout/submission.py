"""What a customer sends at checkout, and what they can mend in it."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from quoter.engine.numbers import digits
from quoter.engine.pricing import FieldError
from quoter.engine.text import Text

MAX_NAME = 120
MAX_PHONE = 30
MIN_PHONE_DIGITS = 10
# Invisible as well, but Indic names and composed emoji are written with them.
JOINERS = "\u200c\u200d"

NOT_TEXT = Text(es="Este dato no tiene la forma esperada.", en="This value has not the expected shape.")
NO_TOKEN = Text(es="Falta la cotización. Vuelve a calcularla.", en="The quote is missing. Please price it again.")
NO_NAME = Text(es="Escribe tu nombre.", en="Enter your name.")
LONG_NAME = Text(
    es="El nombre es muy largo: hasta {most} caracteres.", en="The name is too long: up to {most} characters."
).fill(most=str(MAX_NAME))
ODD_NAME = Text(
    es="El nombre tiene caracteres que no se pueden guardar. Escríbelo de nuevo.",
    en="The name has characters that cannot be kept. Please type it again.",
)
SHORT_PHONE = Text(
    es="El teléfono lleva al menos {least} dígitos, por ejemplo 656 123 4567.",
    en="The phone takes at least {least} digits, for example 656 123 4567.",
).fill(least=str(MIN_PHONE_DIGITS))
LONG_PHONE = Text(
    es="El teléfono es muy largo: hasta {most} caracteres.", en="The phone is too long: up to {most} characters."
).fill(most=str(MAX_PHONE))
ODD_PHONE = Text(
    es="Escribe el teléfono solo con números, sin emojis ni símbolos.",
    en="Write the phone with digits only, no emoji or symbols.",
)


class Refused(ValueError):
    """A value that the customer can mend; `text` says how."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(NOT_TEXT)
    return value


def _visible(typed: str) -> str:
    """Return a text without the invisible marks that pasting brings along; some would turn the line around."""
    if typed.isprintable():  # as nearly all are: none of its characters is invisible
        return typed.strip()
    return "".join(letter for letter in typed if letter in JOINERS or unicodedata.category(letter) != "Cf").strip()


def _name(typed: str) -> str:
    visible = _visible(typed)
    # Postgres takes no NUL and no lone surrogate; the other control characters would break the chat's lines.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in visible):
        raise Refused(ODD_NAME)
    name = " ".join(visible.split())
    if not name.strip(f" {JOINERS}"):
        raise Refused(NO_NAME)
    if len(name) > MAX_NAME:
        raise Refused(LONG_NAME)
    return name


def _phone(typed: str) -> str:
    number = _visible(typed)
    if len(number) > MAX_PHONE:
        raise Refused(LONG_PHONE)
    if any(letter != "+" and unicodedata.category(letter)[0] not in "LNPZ" for letter in number):
        raise Refused(ODD_PHONE)
    if len(digits(number)) < MIN_PHONE_DIGITS:
        raise Refused(SHORT_PHONE)
    return number


def _present(token: str) -> str:
    if not token:
        raise Refused(NO_TOKEN)
    return token


def _ticked(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("on", "1", "true", "yes"))


def _field(check: Callable[[str], str]) -> tuple[BeforeValidator, AfterValidator]:
    return BeforeValidator(_text), AfterValidator(check)


class OrderSubmission(BaseModel):
    """A checkout that can be recorded. phone: as typed; website: whether the field that only bots see was filled in."""

    model_config = ConfigDict(frozen=True)

    token: Annotated[str, *_field(_present)]
    name: Annotated[str, *_field(_name)]
    phone: Annotated[str, *_field(_phone)]
    privacy_accepted: Annotated[bool, BeforeValidator(_ticked)] = False
    marketing_accepted: Annotated[bool, BeforeValidator(_ticked)] = False
    website: bool = False

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> Self:
        """Return the submission in a form or a JSON object; SubmissionRefused names every field to mend."""
        values = {name: sent.get(name) for name in ("token", "name", "phone")}
        given = {name: "" if value is None else value for name, value in values.items()}
        ticked = {name: sent.get(name) for name in ("privacy_accepted", "marketing_accepted")}
        try:
            return cls.model_validate({**given, **ticked, "website": bool(sent.get("website"))})
        except ValidationError as invalid:
            raise SubmissionRefused.of(invalid) from None


class SubmissionRefused(ValueError):
    """The submission cannot be recorded as it stands; every error names its field."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors

    @classmethod
    def of(cls, invalid: ValidationError) -> Self:
        errors = []
        for fault in invalid.errors():
            cause = fault.get("ctx", {}).get("error")
            text = cause.text if isinstance(cause, Refused) else NOT_TEXT
            errors.append(FieldError(".".join(map(str, fault["loc"])), text))
        return cls(errors)
