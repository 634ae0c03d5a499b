"""Reads and checks what a customer sends at checkout. Plain Python: no Django."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from leads.customer import CustomerField, FieldRefused
from quoter.engine.pricing import FieldError
from quoter.engine.questions import ANSWER
from quoter.engine.text import Text

NOT_TEXT = Text(es="No pudimos leer este dato.", en="We could not read this.")
NO_TOKEN = Text(es="Falta la cotización. Vuelve a calcularla.", en="The quote is missing. Please price it again.")


class SubmissionRefused(ValueError):
    """The submission cannot be recorded as it stands; every error names its field."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmission:
    """A checkout that can be recorded.

    phone: as typed; answers: to what the price book asks at checkout, by code; website: whether the field that only
    bots see was filled in.
    """

    token: str
    name: str
    phone: str
    answers: Mapping[str, str]
    privacy_accepted: bool
    marketing_accepted: bool
    website: bool

    @classmethod
    def read(cls, sent: Mapping[str, Any], fields: Sequence[CustomerField], *, is_late: bool = False) -> Self:
        """Return the submission in a form or a JSON object; SubmissionRefused names every wrong field.

        fields: of the checkout; is_late: the customer can correct nothing any more, so a wrong answer is left out.
        """
        checked, errors = {}, []
        given = _answers(sent)
        for name, check in [("token", _present), *((field.name, field.check) for field in fields)]:
            try:
                checked[name] = _checked(given.get(name, sent.get(name)), check)
            except FieldRefused as refused:
                errors.append(FieldError(name, refused.text))
        if is_late:
            errors = [error for error in errors if not error.field.startswith(ANSWER)]
        if errors:
            raise SubmissionRefused(errors)
        return cls(
            token=checked["token"],
            name=checked["name"],
            phone=checked["phone"],
            answers={
                name.removeprefix(ANSWER): answer
                for name, answer in checked.items()
                if answer and name.startswith(ANSWER)
            },
            privacy_accepted=_is_ticked(sent.get("privacy_accepted")),
            marketing_accepted=_is_ticked(sent.get("marketing_accepted")),
            website=bool(sent.get("website")),
        )


def _answers(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of a JSON object by the names of the form's fields. A form has them by these names already."""
    given = sent.get("answers")
    return {f"{ANSWER}{code}": answer for code, answer in given.items()} if isinstance(given, Mapping) else {}


def _checked(value: object, check: Callable[[str], str]) -> str:
    if not isinstance(value, str | None):
        raise FieldRefused(NOT_TEXT)
    return check(value or "")


def _present(token: str) -> str:
    if not token:
        raise FieldRefused(NO_TOKEN)
    return token


def _is_ticked(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("on", "1", "true", "yes"))
