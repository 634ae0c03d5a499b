"""Why a request cannot be priced: errors that name their fields, and what the customer reads."""

from collections.abc import Sequence
from typing import NamedTuple

from quoter.engine.text import Text

MAX_LINES = 20

NO_LINES = Text(es="Agrega al menos una partida.", en="Add at least one line.")
TOO_MANY_LINES = Text(
    es="Una cotización lleva {most} partidas como máximo. Divide el pedido en dos.",
    en="A quote has at most {most} lines. Split the order in two.",
).fill(most=str(MAX_LINES))
UNKNOWN_PRODUCT = Text(es="Elige un producto de la lista.", en="Choose a product from the list.")
UNKNOWN_MEASURE = Text(es="Elige cómo quieres dar la cantidad.", en="Choose how to enter the quantity.")
UNKNOWN_EXTRA = Text(es="Este adicional no existe.", en="There is no such extra.")
EXTRA_NOT_OFFERED = Text(
    es="No ofrecemos «{label}» con lo que elegiste.", en="We do not offer “{label}” with what you chose."
)
CHOOSE_ONE = Text(es="Elige una sola opción en «{label}».", en="Choose exactly one option for “{label}”.")
CHOOSE_AT_MOST_ONE = Text(es="Elige solo una opción en «{label}».", en="Choose one option at most for “{label}”.")
NOT_OFFERED = Text(
    es="No ofrecemos «{choice}» con {others}. Sí ofrecemos: {offered}.",
    en="We do not offer “{choice}” with {others}. We do offer: {offered}.",
)
NOT_OFFERED_WITH_ANY = Text(
    es="No ofrecemos «{choice}» con {others}, ni otra opción de «{label}»: cambia lo demás.",
    en="We do not offer “{choice}” with {others}, nor any other “{label}”: change the rest.",
)
NOT_OFFERED_ALONE = Text(
    es="Por ahora no ofrecemos «{choice}». Sí ofrecemos: {offered}.",
    en="We do not offer “{choice}” right now. We do offer: {offered}.",
)
NOT_POSITIVE = Text(es="La cantidad debe ser mayor que cero.", en="The quantity must be more than zero.")
TOO_MUCH = Text(
    es="En línea cotizamos hasta {maximum} {unit} por partida. Para más, escríbenos por WhatsApp.",
    en="We quote up to {maximum} {unit} per line online. For more, write to us on WhatsApp.",
)
TOO_LITTLE = Text(es="El mínimo es de {minimum} {unit}.", en="The minimum is {minimum} {unit}.")
TOO_SMALL = Text(
    es="Es tan poco que no llega a cobrarse. Escribe una cantidad mayor.",
    en="That is too little to be charged. Enter a larger quantity.",
)
TOO_MUCH_OF = Text(
    es="«{label}» llega en línea hasta {maximum} {unit}. Para más, escríbenos por WhatsApp.",
    en="“{label}” goes up to {maximum} {unit} online. For more, write to us on WhatsApp.",
)
NOT_PRICED = Text(
    es="No tenemos precio en línea para «{label}» así. Escríbenos por WhatsApp.",
    en="We have no online price for “{label}” like this. Write to us on WhatsApp.",
)


class FieldError(NamedTuple):
    """An error that the customer can correct. field: a path into the request, as in lines.0.options.service."""

    field: str
    message: Text


class QuoteRefused(ValueError):
    """The request cannot be priced as it stands; every error names its field."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message.en}" for error in errors))
        self.errors = tuple(errors)
