"""Text in the two languages of the shop, for price books and for what customers read of Python code."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, SerializationInfo, model_serializer, model_validator

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = ("es", "en")
NO_BREAK = "\N{NO-BREAK SPACE}"


class Text(BaseModel):
    """One phrase in Spanish (es-MX) and English. It is read from and written as a plain string when both are the same.

    Written with a language as the context, it is the phrase in that language.

    `{name}` stands for a value that `fill` puts in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    es: str
    en: str

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, given: object) -> object:
        return {"es": given, "en": given} if isinstance(given, str) else given

    @model_serializer
    def _as_written(self, info: SerializationInfo) -> str | dict[str, str]:
        if info.context:
            return self.in_(info.context)
        return self.es if self.es == self.en else {"es": self.es, "en": self.en}

    def in_(self, language: Language) -> str:
        return self.es if language == "es" else self.en

    def say(self, language: Language, **values: str) -> str:
        """Return the phrase in one language with its `{name}`s replaced."""
        return self.in_(language).format_map(values)

    def fill(self, **values: "str | Text") -> "Text":
        """Return the phrase with its `{name}`s replaced; a value that is a Text is filled in language by language."""
        spanish = {name: value if isinstance(value, str) else value.es for name, value in values.items()}
        english = {name: value if isinstance(value, str) else value.en for name, value in values.items()}
        return Text(es=self.es.format_map(spanish), en=self.en.format_map(english))


def in_a_sentence(label: str) -> str:
    """Return a label as it is written inside a sentence: "waste" of "Waste", but "PVC" as it is."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def alone(label: str) -> str:
    """Return a label as it is written by itself: "Pumped" of "pumped", but "f'c 200" as it is."""
    first = label.split(" ")[0]
    return label[:1].upper() + label[1:] if len(first) > 2 and first.isalpha() else label


def clock(hour: int, minute: int, language: Language) -> str:
    """Return a time of day as people write it: 11:59 p. m. in Spanish, 11:59 p.m. in English. hour: from 0 to 24."""
    gap = NO_BREAK if language == "es" else ""
    return f"{(hour + 11) % 12 + 1}:{minute:02}{NO_BREAK}{'ap'[hour % 24 // 12]}.{gap}m."


def joined(between: str, parts: Iterable[str | Text]) -> Text:
    """Return the parts as one phrase, in each language."""
    texts = [part if isinstance(part, Text) else Text(es=part, en=part) for part in parts]
    return Text(es=between.join(text.es for text in texts), en=between.join(text.en for text in texts))
