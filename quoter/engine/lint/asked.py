"""Checks what customers are asked: that every question can be answered, and every default is an answer."""

from collections.abc import Iterator
from decimal import Decimal

from quoter.engine.finding import BookFinding
from quoter.engine.numbers import multiple_of
from quoter.engine.questions import Input, Question

Findings = Iterator[BookFinding]


def of_question(question: Question, place: str) -> Findings:
    """Yield what is wrong with a question about the order."""
    if question.kind == "choice":
        codes = [choice.code for choice in question.choices]
        if not codes:
            yield BookFinding(f"{place}.choices", "%(of)s: has no choices", of=question.code)
        if question.default_choice and question.default_choice not in codes:
            yield BookFinding(
                f"{place}.default_choice",
                "%(of)s: has no choice %(choice)s",
                of=question.code,
                choice=question.default_choice,
            )
    elif question.choices or question.default_choice:
        yield BookFinding(
            place, "%(of)s: has choices, but is of the kind %(kind)s", of=question.code, kind=question.kind
        )
    yield from of_input(question, place)


def of_input(asked: Input, place: str) -> Findings:
    """Yield what is wrong with a number that is asked for."""
    if asked.max is not None and asked.min > asked.max:
        yield BookFinding(
            place, "%(of)s: min %(min)s is above max %(max)s", of=asked.code, min=asked.min, max=asked.max
        )
    elif asked.whole and asked.max is not None and multiple_of(Decimal(1), asked.min, mode="up") > asked.max:
        yield BookFinding(
            place,
            "%(of)s: no whole number is from %(min)s to %(max)s, so nobody can answer",
            of=asked.code,
            min=asked.min,
            max=asked.max,
        )
    if asked.min < 0:
        yield BookFinding(f"{place}.min", "%(of)s: %(number)s is below zero", of=asked.code, number=asked.min)
    default = asked.default
    if default is None:
        return
    # Nought may be below the min: none, or at least so many.
    is_within = (default == 0 or default >= asked.min) and (asked.max is None or default <= asked.max)
    if not is_within or (asked.whole and default % 1):
        yield BookFinding(
            f"{place}.default",
            "%(of)s: the default, %(default)s, is not a number that a customer could state",
            of=asked.code,
            default=default,
        )
