"""What the price book asks at checkout, such as day and place: fields of the form, and the answers in words.

An answer belongs to the person who gave it: it is stored in `quote_data.customer.answers`, by the question's code. Two
people of one quote each have their own, and it goes when the person is erased.
"""

from collections.abc import Mapping
from datetime import date, time
from functools import partial

from leads.customer import NAME, PHONE, CustomerField, FieldRefused, words_typed
from quoter import site
from quoter.engine.pricebook import PriceBook
from quoter.engine.questions import ANSWER, LONGEST, Question, Refused
from quoter.engine.text import Language, Text, clock
from quoter.templatetags.figures import written_day

PAST_DAY = Text(es="Ese día ya pasó: elige otro.", en="That day has passed: choose another one.")
# Longer than any number, day or hour that is meant.
_LONGEST_FIGURE = 40

# The fields of the last book and day. Making them for each checkout takes 3 % of one.
_last: tuple[PriceBook, date | None, tuple[CustomerField, ...]] | None = None


def fields(*, today: date | None) -> tuple[CustomerField, ...]:
    """Return every field of the checkout, in the order of the form. today: the first day that an answer may have."""
    global _last
    book, last = site.price_book(), _last
    if not (last and last[0] is book and last[1] == today):
        last = _last = book, today, (NAME, PHONE, *(_field(question, today) for question in book.checkout_questions))
    return last[2]


def in_words(answers: Mapping[str, str], language: Language) -> list[tuple[str, str]]:
    """Return label and answer, as people read them, of each question that was answered, in the order of the form.

    The label of a question that the price book no longer has is its code. answers: by code.
    """
    if not answers:
        return []
    asked = {question.code: question for question in site.price_book().checkout_questions}
    listed = [
        (question.label.in_(language), _said(question, answers[code], language))
        for code, question in asked.items()
        if answers.get(code)
    ]
    return listed + [(code, answer) for code, answer in answers.items() if answer and code not in asked]


def columns(language: Language) -> list[tuple[str, str]]:
    """Return code and label of each question, for exports."""
    return [(question.code, question.label.in_(language)) for question in site.price_book().checkout_questions]


def _field(question: Question, today: date | None) -> CustomerField:
    attributes = {"required": ""} if question.is_required and not question.default_choice else {}
    if question.is_of_words:
        # Not maxlength, with which browsers cut what is pasted and say nothing. A textarea has no pattern.
        attributes |= {} if question.kind == "notes" else {"type": "text", "pattern": f".{{0,{LONGEST}}}"}
    elif question.kind == "number":
        attributes |= {"type": "text", "inputmode": "decimal"}
    elif question.kind != "choice":
        attributes |= {"type": question.kind}
    if question.kind == "date" and today:
        attributes |= {"min": today.isoformat()}
    return CustomerField(
        f"{ANSWER}{question.code}",
        question.label,
        partial(_checked, question, today),
        attributes,
        kind=question.kind,
        choices=tuple((choice.code, choice.label) for choice in question.choices),
        unit=site.price_book().unit_text(question.unit) if question.unit else None,
        help=question.help or question.hint,
        usual=question.default_choice,
    )


def _checked(question: Question, today: date | None, typed: str) -> str:
    if not typed and not (question.is_required or question.default_choice or question.default is not None):
        return ""
    text = words_typed(typed, most=LONGEST if question.is_of_words else _LONGEST_FIGURE)
    try:
        answer = question.answer(text)
    except Refused as refused:
        raise FieldRefused(refused.message) from refused
    if question.kind == "date" and answer and today and answer < today.isoformat():
        raise FieldRefused(PAST_DAY)
    return answer


def _said(question: Question, answer: str, language: Language) -> str:
    if choice := question.choice(answer):
        return choice.label.in_(language)
    if question.kind == "number" and question.unit:
        return f"{answer} {site.price_book().unit_text(question.unit).in_(language)}"
    try:
        if question.kind == "time":
            at = time.fromisoformat(answer)
            return clock(at.hour, at.minute, language)
        return written_day(date.fromisoformat(answer), language) if question.kind == "date" else answer
    except ValueError:  # the question was of another kind when it was answered
        return answer
