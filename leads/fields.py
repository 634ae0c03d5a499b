"""The key of a lead: a number where Folio made the table, perhaps a UUID in one that was there before it."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models


class LeadKey(models.BigAutoField):  # type: ignore[type-arg]
    """A bigint that also takes the UUIDs of an adopted table, which Postgres makes as it makes numbers."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, UUID):
            return value
        try:
            return super().to_python(value)
        except ValidationError:
            try:
                return UUID(str(value))
            except ValueError:
                raise ValidationError(self.error_messages["invalid"], params={"value": value}) from None

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str):
            value = self.to_python(value)
        return value if isinstance(value, UUID) else super().get_prep_value(value)
