"""The second factor: a passkey, or a code of an authenticator app, or a recovery code.

The session remembers who has shown one, so that no page asks the database.
"""

from collections.abc import Iterable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_used
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.dispatch import receiver
from django.http import HttpRequest

PROVED_BY = "second_factor"  # in the session: the number of the user


def is_missing(request: HttpRequest) -> bool:
    """Whether somebody is logged in who has yet to show a second factor. For requests of staff pages."""
    if not settings.REQUIRE_SECOND_FACTOR or not request.user.is_authenticated:
        return False
    return bool(request.session.get(PROVED_BY) != request.user.pk)


def of(users: Iterable[User]) -> QuerySet[Authenticator]:
    """Return the second factors of these users, their recovery codes included."""
    factors: QuerySet[Authenticator] = Authenticator.objects.filter(user__in=users)
    return factors


@receiver([authenticator_added, authenticator_used])
def remember(request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session[PROVED_BY] = user.pk


@receiver(authenticator_removed)
def forget(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Whoever takes the last one away has to set up another."""
    if not of([user]).exists():
        request.session.pop(PROVED_BY, None)
