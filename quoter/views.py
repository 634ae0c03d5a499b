"""The calculator: a page that prices, and stores nothing."""

from collections.abc import Iterable, Mapping, Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from quoter import found, incoming, numbers, origin, site
from quoter.forms import LineViews, TypedLine, edited, typed_lines
from quoter.pricing import FieldError, QuoteRefused
from quoter.quote import Quote


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
    """Return the bill of the form as it stands, as a piece of the page: the live total."""
    quote, hints = _preview(typed_lines(incoming.read(request).form))
    return render(request, "quoter/_summary.html", {"quote": quote, "hints": hints})


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Say what search engines may read. Quotes they may, and find in each that it is not to be listed."""
    return render(request, "quoter/robots.txt", {"address": site.address(request)}, content_type="text/plain")


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    return render(request, "quoter/sitemap.xml", {"address": site.address(request)}, content_type="application/xml")


def page(
    request: HttpRequest,
    lines: Sequence[TypedLine],
    *,
    came_from: Mapping[str, str],
    errors: Iterable[FieldError] = (),
    status: int = 200,
) -> HttpResponse:
    """Return the calculator with these lines and errors. came_from: as `origin.read` returns it."""
    book = site.price_book()
    errors = list(errors)
    views = LineViews(book, errors, site.language())
    lines = list(lines) or [TypedLine.fresh(book.products[0])]
    quote, hints = _preview(lines)
    address = site.address(request)
    context = {
        "book": book,
        "address": address,
        "structured_data": found.structured_data(
            book,
            language=site.language(),
            address=address + reverse("quoter:calculator"),
            image=address + static("share.png"),
        ),
        "title": book.title.in_(site.language()),
        "lines": views.of(lines),
        "products": [(product.code, product.label.in_(site.language())) for product in book.products],
        "general_errors": views.general(),
        "has_errors": bool(errors),
        "attribution": origin.as_query(came_from),
        "quote": quote,
        "hints": [] if errors else hints,
    }
    return render(request, "quoter/calculator.html", context, status=status)


def _preview(lines: Sequence[TypedLine]) -> tuple[Quote | None, list[str]]:
    """Return the price of the form as it stands, or what is still wrong with what was typed in it so far."""
    try:
        return site.preview([line.request() for line in lines]), []
    except QuoteRefused as refused:
        missing = {numbers.EMPTY}
        typed = [error for error in refused.errors if error.message not in missing and _is_typed(error, lines)]
        return None, list(dict.fromkeys(error.message.in_(site.language()) for error in typed))


def _is_typed(error: FieldError, lines: Sequence[TypedLine]) -> bool:
    """Tell a wrong value from one that the customer has not come to yet."""
    match error.field.split("."):
        case ["lines", number, "options", code]:
            return bool(lines[int(number)].options.get(code))
        case ["lines", number, "measure", name] if name != "kind":
            line = lines[int(number)]
            return bool(line.measures.get(f"{line.kind}.{name}", "")) or not _is_input(name, line)
        case _:
            return True


def _is_input(name: str, line: TypedLine) -> bool:
    return f"{line.kind}.{name}" in line.measures
