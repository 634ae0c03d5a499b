"""The shop's privacy notice, read from a TOML file. Each consent is stored with the version that was shown."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from quoter.engine.text import LANGUAGES, Text

MAX_VERSION = 40  # characters


class NoticeInvalid(ValueError):
    """The file does not hold a privacy notice that can be shown."""


class Notice(BaseModel):
    """version: new with each change; text: paragraphs separated by empty lines, {business} is the shop's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(min_length=1, max_length=MAX_VERSION)
    text: Text

    @field_validator("text")
    @classmethod
    def _can_be_shown(cls, text: Text) -> Text:
        for language in LANGUAGES:
            try:
                shown = text.say(language, business="")
            except (LookupError, AttributeError, ValueError):
                raise ValueError(f"{language} may use {{business}} and no other braces") from None
            if not shown.strip():
                raise ValueError(f"{language} is empty")
        return text


def read(path: Path) -> Notice:
    """Return the notice in a TOML file; NoticeInvalid says what is wrong with it."""
    try:
        return Notice.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise NoticeInvalid(f"{path}: {'; '.join(faults)}") from error
    except UnicodeDecodeError as error:
        raise NoticeInvalid(f"{path} is not saved as UTF-8. In Notepad: Save as, encoding UTF-8") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NoticeInvalid(f"{path} cannot be read: {error}") from error
