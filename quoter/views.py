"""The calculator's page and its live total, and the files for search engines. Nothing here is stored."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from quoter import (
    conversation,
    example,
    first_page,
    incoming,
    language,
    links,
    origin,
    preview,
    schema_org,
    share,
    site,
    token,
)
from quoter.controls import LineViews
from quoter.engine import pricing
from quoter.engine.icons import ICONS
from quoter.engine.pricing import FieldError
from quoter.fields import Fault
from quoter.forms import MANY, TypedLine, touched, typed_answers, typed_lines
from quoter.reprice import BEFORE, earlier
from quoter.shop.storefront import lowest_price
from quoter.shop.values import shop
from quoter.undo import Draft

# The field of a form that was refused before.
CHECKED = "checked"


@require_http_methods(["GET", "HEAD", "POST"])
def calculator(request: HttpRequest) -> HttpResponseBase:
    """Show the calculator. A POST from an edit button shows it with that edit made and everything that was typed."""
    if request.method != "POST":
        came_from = origin.of_visit(request, landing=request.path)
        reference = request.GET.get(BEFORE, "")
        if before := earlier(reference):
            lines = [TypedLine.of_request(line) for line in pricing.requests(before.quote)]
            return page(request, Draft(lines, before.quote.answers, reference), came_from=came_from)
        line = links.opened(request.GET.dict(), site.price_book())
        return first_page.answer(request, line, came_from=came_from, render=partial(_page_of, request, line))
    sent = incoming.read(request)
    typed, errors = Draft.read(sent.form)
    draft, more_errors = typed.edited(sent.form.get("edit", ""), site.price_book())
    came_from = origin.read(sent.form.get("attribution"))
    errors = [*sent.faults, *errors, *more_errors]
    is_checked = CHECKED in sent.form and not draft.is_restarted
    return page(request, draft, came_from=came_from, errors=errors, is_checked=is_checked)


def _page_of(request: HttpRequest, line: TypedLine, came_from: Mapping[str, str]) -> HttpResponse:
    return page(request, Draft([line]), came_from=came_from)


@require_POST
def summary(request: HttpRequest) -> HttpResponse:
    """Return the parts of the page that change while the form is filled in: the bill, the total, each line's title."""
    sent = incoming.read(request)
    lines, errors = typed_lines(sent.form)
    answers = typed_answers(sent.form)
    so_far = preview.of(lines, [*sent.faults, *errors], answers=answers)
    is_checked = CHECKED in sent.form
    faults = so_far.errors if is_checked else ()
    context = {
        **so_far._asdict(),
        **_controls(lines, so_far, faults, answers, is_whole=False),
        "has_errors": bool(faults),
        "edit_url": language.carried(reverse("quoter:calculator"), request),
        "example": None if is_checked or any(touched(lines, site.price_book())) else example.worked(),
    }
    return render(request, "quoter/_live.html", context)


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Return robots.txt. Quotes are not blocked, because crawlers must read a page to see its noindex."""
    return render(request, "quoter/robots.txt", {"address": site.address(request)}, content_type="text/plain")


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """Return sitemap.xml: the calculator's address in each language, and without a language."""
    alternates = language.alternates(site.address(request) + reverse("quoter:calculator"))
    return render(request, "quoter/sitemap.xml", {"alternates": alternates}, content_type="application/xml")


def page(
    request: HttpRequest,
    draft: Draft,
    *,
    came_from: Mapping[str, str],
    errors: Iterable[FieldError] = (),
    status: int = 200,
    is_checked: bool = False,
    is_offline: bool = False,
) -> HttpResponse:
    """Return the calculator with what the form holds, and errors.

    came_from: as `origin.read` returns it; is_checked: whether the form was refused before, so that all that is still
    missing in it is an error; is_offline: the page that devices keep, which says that there is no connection and has no
    data for search engines.
    """
    context = {
        **page_context(request, draft, errors=errors, is_checked=is_checked or status != 200, is_offline=is_offline),
        "attribution": origin.as_query(came_from),
        **({} if is_offline else _search_engine_data(request)),
    }
    return render(request, settings.CALCULATOR_TEMPLATE, context, status=status)


def page_context(
    request: HttpRequest,
    draft: Draft,
    *,
    errors: Iterable[FieldError] = (),
    is_checked: bool = False,
    is_offline: bool = False,
    address: str = "",
) -> dict[str, Any]:
    """Return what the template of the calculator needs.

    address: of the page, if it is not the customers'; such a page keeps nothing on the device.
    """
    here = address or reverse("quoter:calculator")
    book = site.price_book()
    errors, answers, before = list(errors), draft.answers, earlier(draft.before)
    lines = list(draft.lines) or [TypedLine.first(book)]
    so_far = preview.of(lines, answers=answers)
    if is_checked and not errors:
        errors = [*so_far.errors]
    controls = _controls(lines, so_far, errors, answers)
    is_fresh = not (errors or any(touched(lines, book)))
    products = [(product.code, product.label.in_(site.language())) for product in book.products]
    return {
        "book": book,
        "here": here,
        "edit_url": language.carried(here, request),
        "is_forgetful": bool(address),
        "is_offline": is_offline,
        "unpriced_url": conversation.chat_url(shop.WHATSAPP_NUMBER, conversation.UNPRICED.in_(site.language())),
        "question_url": conversation.chat_url(shop.WHATSAPP_NUMBER, conversation.QUESTION.in_(site.language())),
        "lowest_price": lowest_price(book, today=timezone.localdate(), language=site.language()),
        "title": book.title.in_(site.language()),
        "is_fresh": is_fresh,
        "example": example.worked() if is_fresh and not is_offline else None,
        "products": products,
        "more_of": next((each for each in products if each[0] == lines[-1].product), None),
        "has_many": len(products) > MANY,
        "has_errors": bool(errors),
        "is_checked": is_checked,
        "many": MANY,
        "removed": " ".join(draft.removed),
        "removal": draft.latest(book, site.language()),
        "before": {"folio": before.quote.folio, "token": token.short(before)} if before else {},
        **so_far._asdict(),
        **controls,
        **({"hints": controls["general_errors"]} if errors else {}),
    }


def _controls(
    lines: Sequence[TypedLine],
    so_far: preview.Preview,
    errors: Sequence[FieldError],
    answers: Mapping[str, str],
    *,
    is_whole: bool = True,
) -> dict[str, Any]:
    """Return the template context of the lines and questions, with what is wrong in them. is_whole: as of LineViews."""
    views = LineViews(site.price_book(), errors, site.language(), answers, is_whole=is_whole)
    shown, questions = views.of(lines, so_far.quoted), views.questions()
    wrong = [field.name for line in shown for field in line.wrong_fields()]
    wrong += [question.name for question in questions if question.errors]
    names = sorted({icon for line in shown for icon in line.icons()} & ICONS.keys())
    return {
        "lines": shown,
        "questions": questions,
        "first_wrong": wrong[0] if wrong else "",
        "general_errors": views.general(),
        "is_all_here": not any(error.field == "" for error in errors),
        "faults": views.faults(shown, questions),
        "to_mend": _to_mend(lines, so_far, answers),
        "icons": [(name, ICONS[name]) for name in names],
    }


def _to_mend(lines: Sequence[TypedLine], so_far: preview.Preview, answers: Mapping[str, str]) -> Fault | None:
    """Return the first typed value that keeps the form from being quoted, if any."""
    if not so_far.wrong:
        return None
    views = LineViews(site.price_book(), so_far.wrong, site.language(), answers, is_whole=False)
    questions = views.questions()
    faults = views.faults(views.of(lines, so_far.quoted), questions)
    of_the_whole = Fault("order" if questions else "line-0", "", "", so_far.hints[0])
    return next(iter(faults), of_the_whole)


def _search_engine_data(request: HttpRequest) -> dict[str, Any]:
    """Return the template context for search engines and for link previews in chats."""
    address = site.address(request)
    structured_data = schema_org.structured_data(
        site.price_book(),
        language=site.language(),
        address=address + reverse("quoter:calculator"),
        image=address + share.address(site.language()),
    )
    return {"address": address, "structured_data": structured_data}
