"""The outlines beside words of the customer's pages: those that a price book may name, and some of the pages' own."""

from functools import cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from quoter.engine.icons import ICONS

register = template.Library()

_OUTLINES = {
    **ICONS,
    "card": "M2.5 5.5h19v13h-19zM2.5 9.8h19M6 15h4",
    "check": "m4.5 12.8 5 5 10-11.3",
    "copy": "M8.5 8.5h12v12h-12zM15.5 5V3.5h-12v12H5",
    "edit": "M4 20.5 5 16 16 4.5 20 8.5 8.5 19.5zM13.5 7l4 4",
    "link": "M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7"
    "l1.6-1.6",
    "minus": "M5 12h14",
    "phone": "M4 5.2A1.7 1.7 0 0 1 5.7 3.5h2.8l1.7 4.6-2.3 1.5a11.5 11.5 0 0 0 6.5 6.5l1.5-2.3 4.6 1.7v2.8"
    "a1.7 1.7 0 0 1-1.7 1.7A14.8 14.8 0 0 1 4 5.2z",
    "plus": "M12 4.5v15M4.5 12h15",
    "print": "M7 8V3.5h10V8M7 17H3.5V8h17v9H17M7 13.5h10v7H7z",
    "share": "M12 15V3.5M7.5 8 12 3.5 16.5 8M6 12H4.5v8.5h15V12H18",
    "undo": "M8.5 4 4 8.5 8.5 13M4 8.5h9.5a6 6 0 0 1 0 12H8",
}


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return the picture of an outline, which screen readers skip."""
    picture = '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>'
    return format_html(picture, _OUTLINES[name])
