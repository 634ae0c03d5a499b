from typing import Any

from django import template

from leads.alerts import push
from leads.inbox import live

register = template.Library()


@register.inclusion_tag("leads/inbox/_live.html", takes_context=True)
def live_inbox(context: dict[str, Any]) -> dict[str, Any]:
    """The switches and the script that keep an open inbox current; for the list of leads."""
    # One that is older than the rows would announce people who stand there already.
    return {"csrf_token": context["csrf_token"], "state": live.state(fresh=True), "public_key": push.public_key()}
