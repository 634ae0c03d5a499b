"""The second factor: a passkey, or a code of an authenticator app, or a recovery code.

The session stores that its user has shown one, so pages need no query of the factors.
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

SECOND_FACTOR_KEY = "second_factor"  # its value in the session: the id of the user who has shown one


def is_missing(request: HttpRequest) -> bool:
    """Return whether the logged-in user still has to show a second factor. Only for requests of staff pages."""
    if not settings.REQUIRE_SECOND_FACTOR or not request.user.is_authenticated:
        return False
    return bool(request.session.get(SECOND_FACTOR_KEY) != request.user.pk)


def factors_of(users: Iterable[User]) -> QuerySet[Authenticator]:
    """Return the second factors of these users, their recovery codes included."""
    factors: QuerySet[Authenticator] = Authenticator.objects.filter(user__in=users)
    return factors


@receiver([authenticator_added, authenticator_used])
def remember(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Store in the session that its user has shown a second factor."""
    request.session[SECOND_FACTOR_KEY] = user.pk


@receiver(authenticator_removed)
def forget(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Require a new second factor after the user's last one was removed."""
    if not factors_of([user]).exists():
        request.session.pop(SECOND_FACTOR_KEY, None)
