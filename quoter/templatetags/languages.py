"""Links that keep the language of the page, and the link that switches it."""

from functools import cache
from typing import Any

from django import template
from django.http import QueryDict
from django.urls import reverse

from quoter import language, share, site
from quoter.language import PageLanguage

register = template.Library()


@register.simple_tag(takes_context=True)
def link(context: dict[str, Any], name: str, query: str = "") -> str:
    """Return the address of one of our pages, with the language that this page's address asks for."""
    return language.carried(_path(name), context["request"], query)


# reverse() takes 20 µs, and a page has a dozen of these links.
_path = cache(reverse)


@register.simple_tag
def this_language() -> PageLanguage:
    return language.of_page()


@register.simple_tag
def other_language() -> PageLanguage:
    """Return the other language of this page."""
    return next(each for each in language.PAGE_LANGUAGES if each != language.of_page())


@register.simple_tag(takes_context=True)
def here_in(context: dict[str, Any], page_language: PageLanguage) -> str:
    """Return the address of this page in a language; of the calculator, when the page gives no address of its own.

    From the context: `here`, its path; `attribution` and `here_query`, its query. The request's own query could hold
    anything, such as a person's name, and an error page must not repeat that.
    """
    query = QueryDict(context.get("attribution", ""), mutable=True)
    query.update(context.get("here_query", {}))
    query[language.PARAMETER] = page_language.code
    return f"{context.get('here') or _path('quoter:calculator')}?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def alternates(context: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a page's full addresses for search engines. own: as it was asked for; all: by language, and for any."""
    request = context["request"]
    address = site.address(request) + reverse(name)
    return {"own": language.carried(address, request), "all": language.alternates(address)}


@register.simple_tag
def touch_icon() -> str:
    """Return the path of the icon for a phone's home screen; "" until it is drawn."""
    return share.icon_address(site.language())


@register.simple_tag
def share_picture() -> str:
    """Return the path of the picture that chats show beside a link, in the language of the page."""
    return share.address(site.language())
