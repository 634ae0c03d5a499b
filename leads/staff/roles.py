"""The three groups of staff, each with all permissions of the one before. Other groups are not changed."""

from typing import NamedTuple

from django.contrib.auth.models import Group, Permission
from django.db import transaction

SALES = {
    "leads.view_lead",
    "leads.contact_lead",
    "leads.change_lead",  # a lead's form changes only its notes
    "leads.quote_lead",
}
SALES_MANAGER = SALES | {
    "leads.export_lead",
    "leads.discount_as_manager",
    "leads.change_absence",  # of all; everybody says their own
}
OWNER = SALES_MANAGER | {
    "leads.discount_any",
    "leads.view_leadevent",
    "leads.change_price_book",
    "shop.change_shop",
    "leads.view_machine",
    "leads.delete_machine",  # one that was removed; one that works appears again
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",  # without delete, because leads refer to who contacted them; users are deactivated instead
    "auth.view_group",
}
ROLES = {"Sales": SALES, "Sales manager": SALES_MANAGER, "Owner": OWNER}


class PermissionsMissing(LookupError):
    """Permissions that no migration has created yet. names: as app.codename."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = names


class Changes(NamedTuple):
    created: int
    granted: int
    revoked: int


def ensure_roles() -> Changes:
    """Give each group exactly the permissions of its role, and return what changed. Members stay.

    PermissionsMissing, with nothing changed, until `migrate` has created all permissions.
    """
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    if missing := OWNER - known.keys():
        raise PermissionsMissing(missing)
    created = granted = revoked = 0
    with transaction.atomic():
        for name, allowed in ROLES.items():
            group, is_new = Group.objects.get_or_create(name=name)
            has = set(group.permissions.all())
            should_have = {known[permission] for permission in allowed}
            group.permissions.set(should_have)
            created, granted, revoked = (
                created + is_new,
                granted + len(should_have - has),
                revoked + len(has - should_have),
            )
    return Changes(created, granted, revoked)
