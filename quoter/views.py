"""The calculator: a page that prices, and stores nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from quoter import conversation, incoming, language, origin, preview, schema_org, share, site
from quoter.engine.pricing import FieldError
from quoter.forms import LineViews, TypedLine, edited, typed_lines


@require_http_methods(["GET", "HEAD", "POST"])
def calculator(request: HttpRequest) -> HttpResponse:
    """Show the calculator; a POST from one of its edit buttons shows it again, changed, with all that was typed."""
    if request.method != "POST":
        came_from = origin.of_visit(request, landing=request.path)
        return page(request, [TypedLine.fresh(site.price_book().products[0])], came_from=came_from)
    sent = incoming.read(request)
    lines = edited(typed_lines(sent.form), sent.form.get("edit", ""), site.price_book())
    return page(request, lines, came_from=origin.read(sent.form.get("attribution")), errors=sent.faults)


@require_POST
def summary(request: HttpRequest) -> HttpResponse:
    """Return the pieces of the page that follow from the form as it stands: the bill, the total, each line's title."""
    lines = typed_lines(incoming.read(request).form)
    as_it_stands = preview.of(lines)
    views = LineViews(site.price_book(), [], site.language()).of(lines, as_it_stands.quoted)
    return render(request, "quoter/_live.html", {**as_it_stands._asdict(), "lines": views})


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Say what search engines may read. Quotes they may, and find in each that it is not to be listed."""
    return render(request, "quoter/robots.txt", {"address": site.address(request)}, content_type="text/plain")


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """List the calculator, in each language, and in the one that the browser asks for."""
    places = language.alternates(site.address(request) + reverse("quoter:calculator"))
    return render(request, "quoter/sitemap.xml", {"alternates": places}, content_type="application/xml")


def page(
    request: HttpRequest,
    lines: Sequence[TypedLine],
    *,
    came_from: Mapping[str, str],
    errors: Iterable[FieldError] = (),
    status: int = 200,
    is_offline: bool = False,
) -> HttpResponse:
    """Return the calculator with these lines and errors. came_from: as `origin.read` returns it.

    is_offline: the page that devices keep. It says that there is no connection, and has no data for search engines.
    """
    book = site.price_book()
    errors = list(errors)
    views = LineViews(book, errors, site.language())
    lines = list(lines) or [TypedLine.fresh(book.products[0])]
    as_it_stands = preview.of(lines)
    shown = views.of(lines, as_it_stands.quoted)
    wrong = [field.name for line in shown for field in line.wrong_fields()]
    context = {
        "book": book,
        "here": reverse("quoter:calculator"),
        "is_offline": is_offline,
        "unpriced_url": conversation.chat_url(settings.WHATSAPP_NUMBER, conversation.UNPRICED.in_(site.language())),
        "title": book.title.in_(site.language()),
        "lines": shown,
        "is_fresh": not any(line.is_begun for line in lines),
        "first_wrong": wrong[0] if wrong else "",
        "products": [(product.code, product.label.in_(site.language())) for product in book.products],
        "general_errors": views.general(),
        "has_errors": bool(errors),
        "attribution": origin.as_query(came_from),
        **as_it_stands._asdict(),
        **({"hints": []} if errors else {}),
        **({} if is_offline else _found(request)),
    }
    return render(request, settings.CALCULATOR_TEMPLATE, context, status=status)


def _found(request: HttpRequest) -> dict[str, Any]:
    """Return what search engines and the previews in chats read of the page."""
    address = site.address(request)
    structured_data = schema_org.structured_data(
        site.price_book(),
        language=site.language(),
        address=address + reverse("quoter:calculator"),
        image=address + share.address(site.language()),
    )
    return {"address": address, "structured_data": structured_data}
