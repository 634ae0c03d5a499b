"""Reads and checks what a customer sends at checkout. Plain Python: no Django."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from leads import customer
from leads.customer import FieldRefused
from quoter.engine.pricing import FieldError
from quoter.engine.text import Text

NOT_TEXT = Text(es="Este dato no tiene la forma esperada.", en="This value does not have the expected form.")
NO_TOKEN = Text(es="Falta la cotización. Vuelve a calcularla.", en="The quote is missing. Please price it again.")


class SubmissionRefused(ValueError):
    """The submission cannot be recorded as it stands; every error names its field."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmission:
    """A checkout that can be recorded.

    phone: as typed; answers: the optional fields that were filled in; website: whether the field that only bots see was
    filled in.
    """

    token: str
    name: str
    phone: str
    answers: Mapping[str, str]
    privacy_accepted: bool
    marketing_accepted: bool
    website: bool

    @classmethod
    def read(cls, sent: Mapping[str, Any], *, is_late: bool = False) -> Self:
        """Return the submission in a form or a JSON object; SubmissionRefused names every wrong field.

        is_late: the customer can correct nothing any more, so a wrong optional field is left out instead.
        """
        checked, errors = {}, []
        for name, check in [("token", _present), *((field.name, field.check) for field in customer.fields())]:
            try:
                checked[name] = _checked(sent.get(name), check)
            except FieldRefused as refused:
                errors.append(FieldError(name, refused.text))
        if is_late:
            optional = {field.name for field in customer.OPTIONAL}
            errors = [error for error in errors if error.field not in optional]
        if errors:
            raise SubmissionRefused(errors)
        return cls(
            token=checked["token"],
            name=checked["name"],
            phone=checked["phone"],
            answers={field.name: answer for field in customer.OPTIONAL if (answer := checked.get(field.name))},
            privacy_accepted=_is_ticked(sent.get("privacy_accepted")),
            marketing_accepted=_is_ticked(sent.get("marketing_accepted")),
            website=bool(sent.get("website")),
        )


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
