from typing import Any

from django import template

from leads.alerts import push

register = template.Library()


@register.inclusion_tag("leads/inbox/_live.html", takes_context=True)
def live_inbox(context: dict[str, Any]) -> dict[str, Any]:
    """Render the panel and the script that keep an open list of leads current."""
    return {"csrf_token": context["csrf_token"], "state": context["cl"].live, "public_key": push.public_key()}
