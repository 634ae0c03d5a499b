from typing import Any

from django import template

from leads.alerts import push
from leads.inbox import live

register = template.Library()


@register.inclusion_tag("leads/inbox/_live.html", takes_context=True)
def live_inbox(context: dict[str, Any]) -> dict[str, Any]:
    """Render the panel and the script that keep an open list of leads current."""
    # Not from the cache: a state older than the rows would make the script announce leads that are listed already.
    return {"csrf_token": context["csrf_token"], "state": live.state(fresh=True), "public_key": push.public_key()}
