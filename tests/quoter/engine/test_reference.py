"""The reference of the price book's language is that of the models."""

from pathlib import Path

from quoter.engine import reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "price-book-reference.md"


def test_every_field_has_its_meaning_and_every_meaning_its_field():
    meant = {name: set(meanings) - {"heading"} for name, meanings in reference.MEANINGS.items()}
    assert meant == {model.__name__: set(reference.fields_of(model)) for model in reference.MODELS}


def test_every_part_of_a_book_is_in_it():
    for model in reference.MODELS:
        for field in reference.fields_of(model).values():
            reference.form_of(field.annotation)  # KeyError: a part that is not


def test_the_page_is_as_printed():
    assert PAGE.read_text(encoding="utf-8") == reference.markdown(), "manage.py pricebook reference > " + str(PAGE)
