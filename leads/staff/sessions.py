"""Which staff are logged in, as far as this machine knows: a file in the outbox for each session.

Looking a session up needs Postgres. The files tell staff from strangers without it: in an outage, when leads may be
shown only to staff, and before a request takes a place in a bulkhead. A page notes its session, a logout removes the
file, and the alerts worker asks Postgres every few seconds which sessions still hold.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import CharField, F, Func
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from leads.delivery.journal.disk import files, make_directory, private
from leads.staff import second_factor
from leads.staff.backend import StaffBackend
from leads.staff.selling import Seller
from leads.staff.selling import seller_of as seller_of_user

DIRECTORY = "staff-sessions"
# How long a file counts that the worker has not confirmed.
UNCONFIRMED_LIFE = timedelta(minutes=15)


def seller_of(request: HttpRequest) -> Seller | None:
    """Return the seller behind a request, as this machine last knew them; None for others and for strangers."""
    _start, _newline, text = _read(_of_cookie(request)).partition(b"\n")
    return Seller.of_text(text.decode(errors="replace"))


def is_known(request: HttpRequest) -> bool:
    """Return whether a session of staff is behind a request."""
    return _size(_of_cookie(request)) is not None


def may_see_leads(request: HttpRequest) -> bool:
    """Return whether staff who may see leads are behind a request."""
    return bool(_size(_of_cookie(request)))


def note(request: HttpRequest, user: User) -> None:
    """Note that the session of a request is of staff. Postgres has just said so. user: whose permissions are cached."""
    if not request.session.session_key:
        return
    name, content = _name(request.session.session_key), _content(user)
    if _size(name, soon=UNCONFIRMED_LIFE / 2) is None or _read(name) != content:
        _keep(name, content, until=time.time() + UNCONFIRMED_LIFE.total_seconds())


def forget(request: HttpRequest) -> None:
    """Forget the session of a request, which has ended."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        _remove(_of_cookie(request))


def confirm(now: datetime) -> None:
    """Keep the sessions that Postgres still knows, each until it ends, and forget the others."""
    noted = {path.name for directory in _directories() for path in files(directory, "")}
    if not noted:
        return
    digest = Func(F("session_key"), template=_DIGEST, output_field=CharField())
    valid = Session.objects.annotate(digest=digest).filter(digest__in=noted, expire_date__gt=now)
    for session in valid:
        request = HttpRequest()
        request.session = SessionStore(session.session_key)
        user = _user_of(request.session)
        request.user = user or AnonymousUser()
        if user and not second_factor.is_missing(request):
            noted.discard(session.digest)
            _keep(session.digest, _content(user), until=session.expire_date.timestamp())
    for name in noted:
        _remove(name)


def _user_of(session: SessionStore) -> User | None:
    """Return the user of a session, if password and *Active* still hold, as for a page.

    Django's `get_user` would give a session from before a change of SECRET_KEY a new key, which no browser would learn.
    """
    try:
        key = User._meta.pk.to_python(session[auth.SESSION_KEY])
        user, stored = StaffBackend().get_user(key), session[auth.HASH_SESSION_KEY]
    except (KeyError, ValidationError):
        return None
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()] if user else []
    return user if any(constant_time_compare(stored, each) for each in hashes) else None


@receiver([post_save, post_delete], sender=User)
def look_at_once(update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
    """Confirm after a change of a user, such as switching *Active* off, without waiting for the worker."""
    if set(update_fields or ()) != {"last_login"}:
        transaction.on_commit(lambda: confirm(timezone.now()), robust=True)


# --- The files: named after a hash of the session's key, modified when it will end, empty unless it may see leads -----
# Below that, for who may quote, the seller in JSON.

_DIGEST = "encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"


def _name(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()


def _of_cookie(request: HttpRequest) -> str:
    return _name(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""))


def _content(user: User) -> bytes:
    if not user.has_perm("leads.view_lead"):
        return b""
    seller = seller_of_user(user)
    return f"may see leads\n{seller.as_text()}".encode() if seller else b"may see leads"


def _read(name: str) -> bytes:
    """Return the content of a session's file, empty without one that still counts."""
    if _size(name) is not None:
        for directory in _directories():
            with suppress(OSError):
                return (directory / name).read_bytes()
    return b""


def _directories() -> Iterator[Path]:
    return (directory / DIRECTORY for directory in settings.OUTBOX_DIRECTORIES)


def _size(name: str, *, soon: timedelta = timedelta()) -> int | None:
    """Return the size of a session's file; None without a file, and for one that ends before `soon` has passed."""
    for directory in _directories():
        with suppress(OSError):
            stat = os.stat(directory / name)
            if stat.st_mtime > time.time() + soon.total_seconds():
                return stat.st_size
    return None


def _keep(name: str, content: bytes, *, until: float) -> None:
    """Write a session's file. Without a disk to write to, it stays unknown."""
    for directory in _directories():
        with suppress(OSError):
            make_directory(directory)
            path = directory / name
            if _read(name) != content or not path.exists():
                with open(path, "wb", opener=private) as file:  # modified now, so it counts from utime() on
                    file.write(content)
            os.utime(path, (until, until))
            return


def _remove(name: str) -> None:
    for directory in _directories():
        with suppress(OSError):
            (directory / name).unlink()
