from typing import Any

from django import template

from checkout import tags

register = template.Library()


@register.inclusion_tag("checkout/_tags.html", takes_context=True)
def measurement(context: dict[str, Any], *, asks: bool = True) -> dict[str, Any]:
    """The tags of a page, or the question whether it may have them. asks: not where the page says more about it."""
    return {"request": context["request"], "tags": tags.on_page(context["request"]), "asks": asks}


@register.inclusion_tag("checkout/_tags_answer.html", takes_context=True)
def measurement_answer(context: dict[str, Any]) -> dict[str, Any]:
    """What the visitor answered, and how to answer anew."""
    return {"tags": tags.on_page(context["request"])}
