"""A member of staff: a user with a name, and one of the three roles. Superusers are members whom only they change."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.staff.roles import ROLES

# The names of the groups, in words, with what each may do.
IN_WORDS = {
    "Sales": (gettext_lazy("Sales"), gettext_lazy("Answers customers, quotes for them and writes notes.")),
    "Sales manager": (gettext_lazy("Sales manager"), gettext_lazy("Also downloads the list of customers.")),
    "Owner": (gettext_lazy("Owner"), gettext_lazy("Also changes prices, the shop and who works here.")),
}
MOST_CHARACTERS = 100


class Member(NamedTuple):
    """role: the name of the group, "" for none; may_change: whether whoever looks may change this member."""

    user: User
    name: str
    role: str
    has_second_factor: bool
    may_change: bool

    @property
    def role_in_words(self) -> str:
        if self.user.is_superuser:
            return _("Everything, as the technician's login")
        return str(IN_WORDS[self.role][0]) if self.role else _("No role: sees nothing")


def members(*, seen_by: User) -> list[Member]:
    """Return all members, those who can log in first, by name. seen_by: who looks."""
    users = (
        User.objects.filter(is_staff=True)
        .annotate(has_second_factor=Exists(Authenticator.objects.filter(user=OuterRef("pk"))))
        .prefetch_related("groups")
    )
    found = [
        Member(
            user,
            called(user),
            role_of([group.name for group in user.groups.all()]),
            user.has_second_factor,
            may_change(seen_by, user),
        )
        for user in users
    ]
    return sorted(found, key=lambda member: (not member.user.is_active, member.name.casefold()))


def called(user: User) -> str:
    """Return what colleagues call a user: the full name, else the user name."""
    name: str = user.get_full_name() or user.get_username()
    return name


def role_of(groups: Sequence[str]) -> str:
    """Return the highest role among the names of groups; "" for none."""
    return next((role for role in reversed(ROLES) if role in groups), "")


def may_change(changer: User, user: User) -> bool:
    """Nobody takes the own login or role away, and who is no superuser changes no superuser."""
    return changer.pk != user.pk and (changer.is_superuser or not user.is_superuser)


def read_name(text: str, *, of: User | None = None) -> str:
    """Return a name without needless spaces. ValidationError for none, and for one that a colleague has.

    of: who is renamed; their own name is free to them.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not any(character.isalpha() for character in name):
        raise ValidationError(_("Write the name that colleagues know."))
    if len(name) > MOST_CHARACTERS:
        raise ValidationError(_("A name has %(most)d characters at most.") % {"most": MOST_CHARACTERS})
    others = [user for user in User.objects.filter(is_staff=True) if user != of]
    if name.casefold() in {called(user).casefold() for user in others}:
        raise ValidationError(_("A colleague has this name already. Add a last name, so that nobody mistakes them."))
    return name


def read_role(role: str) -> str:
    """Return the name of a role. ValidationError for any other, and before `ensure_roles` has made it."""
    if role not in ROLES or not Group.objects.filter(name=role).exists():
        raise ValidationError(_("Choose what they do here."))
    return role


def give_name(user: User, name: str) -> None:
    user.first_name, _space, user.last_name = name.partition(" ")


def add(name: str, role: str) -> User:
    """Add a member who cannot log in until they have set a password. name: as `read_name` returns it."""
    user = User(username=_free_username(name), is_staff=True)
    give_name(user, name)
    user.set_unusable_password()
    with transaction.atomic():
        user.save()
        give_role(user, role)
    return user


def give_role(user: User, role: str) -> None:
    """Put a user into a role's group, and take them out of the others'. Groups of the shop's own stay."""
    user.groups.remove(*Group.objects.filter(name__in=ROLES.keys() - {role}))
    user.groups.add(Group.objects.get(name=role))


def _free_username(name: str) -> str:
    """Return what is easy to type on a phone: ana, else ana.ruiz, else ana2."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words: list[str] = re.findall(r"[a-z0-9]+", plain) or ["staff"]
    first, last = words[0][:60], words[-1][:60]
    alike = User.objects.filter(username__istartswith=first).values_list("username", flat=True)
    taken = {username.lower() for username in alike}
    wanted = [first, f"{first}.{last}", *(f"{first}{number}" for number in range(2, len(taken) + 3))]
    return next(username for username in wanted if username not in taken)
