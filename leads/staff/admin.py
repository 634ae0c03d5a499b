"""The admin's pages of logins and groups."""

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401  (these two register what is unregistered below)
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from leads.staff import second_factor
from leads.staff.team.members import IN_WORDS

# Authenticator's page shows secrets; EmailAddress is not used here.
admin.site.unregister([User, Group, Authenticator, EmailAddress])

# Django stores the names of permissions in English only.
PERMISSIONS = {
    "add": _("add"),
    "change": _("change"),
    "delete": _("delete"),
    "view": _("view"),
    "contact_lead": _("mark as contacted, or restore"),
    "export_lead": _("export"),
    "quote_lead": _("quote for a customer"),
    "discount_as_manager": _("give the manager's discount"),
    "discount_any": _("give any discount"),
    "change_price_book": _("change the price book"),
    "change_shop": _("change the shop's settings"),
}


class _PermissionsInWords:
    """Shows permissions and roles in the language of the page, and itself on the first page of superusers only.

    Owners have leads.staff.team instead.
    """

    def has_module_permission(self, request):
        return request.user.is_superuser

    def formfield_for_manytomany(self, db_field, request=None, **kwargs):
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.related_model is Permission:
            field.label_from_instance = _permission_in_words
        elif db_field.related_model is Group:
            field.label_from_instance = _group_in_words
        return field


def _permission_in_words(permission):
    action = permission.codename.split("_")[0]
    words = PERMISSIONS.get(permission.codename) or PERMISSIONS.get(action) or permission.name
    return f"{permission.content_type}: {words}"


def _group_in_words(group):
    """Return the name of a role in the language of the page; that of a group of the shop's own as it is."""
    return str(IN_WORDS[group.name][0]) if group.name in IN_WORDS else group.name


@admin.register(Group)
class StaffGroupAdmin(_PermissionsInWords, GroupAdmin):
    list_display = ["called"]
    search_fields = ()  # Django's box says "Search" in every language

    @admin.display(description=_("Role"), ordering="name")
    def called(self, group):
        return _group_in_words(group)


@admin.register(User)
class StaffAdmin(_PermissionsInWords, UserAdmin):
    list_display = ["username", "first_name", "last_name", "is_active", "has_second_factor", "last_login"]
    actions = ["forget_second_factor"]

    def get_queryset(self, request):
        factors = Authenticator.objects.filter(user=OuterRef("pk"))
        return super().get_queryset(request).annotate(_has_second_factor=Exists(factors))

    def get_readonly_fields(self, request, obj=None):
        """Let an Owner assign groups only; other permissions are for superusers to assign."""
        own = super().get_readonly_fields(request, obj)
        return own if request.user.is_superuser else [*own, "is_superuser", "user_permissions"]

    def has_change_permission(self, request, obj=None):
        # An Owner who can set a superuser's password can log in as that superuser.
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not is_above and super().has_change_permission(request, obj)

    @admin.display(description=_("second factor"), boolean=True)
    def has_second_factor(self, user):
        return user._has_second_factor

    @admin.action(description=_("Forget the second factor: a lost phone"), permissions=["change"])
    def forget_second_factor(self, request, queryset):
        users = [user for user in queryset if self.has_change_permission(request, user)]
        second_factor.factors_of(users).delete()
        for user in users:
            self.log_change(request, user, "Forgot the second factor.")
        text = ngettext(
            "%(count)d login sets up a new second factor next time.",
            "%(count)d logins set up a new second factor next time.",
            len(users),
        )
        messages.success(request, text % {"count": len(users)})
