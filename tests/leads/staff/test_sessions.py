"""What this machine knows of the sessions of staff, without asking Postgres."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from leads.staff import bulkhead, sessions
from tests.support.eventually import eventually

LIST = "/admin/leads/lead/"


def files() -> list[Path]:
    directory = django_settings.OUTBOX_DIRECTORIES[0] / sessions.DIRECTORY
    return list(directory.iterdir()) if directory.exists() else []


def standing(client: Client) -> tuple[bool, bool]:
    """Return whether the machine knows the client's session, and whether that may see leads."""
    request = RequestFactory().get(LIST)
    request.COOKIES = {name: cookie.value for name, cookie in client.cookies.items()}
    return sessions.is_known(request), sessions.may_see_leads(request)


KNOWN, MAY_SEE_LEADS, UNKNOWN = (True, False), (True, True), (False, False)


@pytest.fixture
def staff(db) -> Client:
    """Ana, who may see leads, on a page."""
    ana = User.objects.create_user("ana", is_staff=True)
    ana.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client = Client()
    client.force_login(ana)
    client.get(LIST)
    return client


def test_a_page_notes_its_session_in_a_file_that_holds_neither_its_key_nor_a_name(staff):
    [file] = files()
    assert standing(staff) == MAY_SEE_LEADS
    assert file.stat().st_mode & 0o077 == 0
    assert "ana" not in file.read_text()
    assert staff.cookies["sessionid"].value not in file.name + file.read_text()


def test_strangers_and_invented_cookies_are_unknown(staff):
    assert standing(Client()) == UNKNOWN
    for invented in ("", "x", "../alerts.lock", "\0", "a" * 5000):
        assert standing(Client()) == UNKNOWN
        stranger = Client()
        stranger.cookies["sessionid"] = invented
        assert standing(stranger) == UNKNOWN
    assert Client().get(LIST).status_code == 302
    assert len(files()) == 1


def test_until_the_worker_has_confirmed_it_a_session_is_known_for_minutes(staff):
    [file] = files()
    assert 14 * 60 < file.stat().st_mtime - time.time() < 16 * 60
    os.utime(file, (time.time() - 1,) * 2)
    assert standing(staff) == UNKNOWN
    staff.get(LIST)
    assert standing(staff) == MAY_SEE_LEADS


def test_a_confirmed_session_is_known_until_it_ends(staff):
    sessions.confirm(timezone.now())
    [file] = files()
    assert file.stat().st_mtime == pytest.approx(Session.objects.get().expire_date.timestamp(), abs=1)
    staff.get(LIST)
    assert file.stat().st_mtime - time.time() > 11 * 3600


@pytest.mark.parametrize(
    "end",
    [
        lambda ana: User.objects.filter(pk=ana.pk).update(is_active=False),
        lambda ana: User.objects.filter(pk=ana.pk).update(is_staff=False),
        lambda ana: ana.set_password("another one") or ana.save(),
        lambda ana: ana.user_permissions.all().delete() and Session.objects.all().delete(),
        lambda ana: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
        lambda ana: User.objects.all().delete(),
    ],
    ids=["switched off", "no staff any more", "new password", "logged out elsewhere", "ended", "deleted"],
)
def test_the_worker_forgets_a_session_that_has_ended_however_it_ended(staff, end):
    end(User.objects.get())
    sessions.confirm(timezone.now())
    assert (standing(staff), files()) == (UNKNOWN, [])


def test_whoever_may_see_leads_no_more_is_still_known_as_staff(staff):
    User.objects.get().user_permissions.clear()
    sessions.confirm(timezone.now())
    assert standing(staff) == KNOWN


def test_without_a_second_factor_a_session_is_unknown(staff, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    sessions.confirm(timezone.now())
    staff.get(LIST)
    assert standing(staff) == UNKNOWN


def test_a_logout_forgets_the_session_at_once(staff):
    key = staff.cookies["sessionid"].value
    staff.post("/admin/logout/")
    staff.cookies["sessionid"] = key  # a copy
    assert standing(staff) == UNKNOWN


def test_a_login_that_was_switched_off_is_forgotten_with_its_next_page(staff):
    User.objects.update(is_active=False)
    assert staff.get(LIST).status_code == 302
    assert standing(staff) == UNKNOWN


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [
        lambda ana: setattr(ana, "is_active", False) or ana.save(),
        lambda ana: ana.set_password("another one") or ana.save(),
        lambda ana: ana.delete(),
    ],
    ids=["switched off", "new password", "deleted"],
)
def test_a_changed_login_is_forgotten_at_once(staff, change):
    change(User.objects.get())
    assert standing(staff) == UNKNOWN


def test_without_a_disk_pages_work_and_the_session_stays_unknown(staff, settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.OUTBOX_DIRECTORIES = [tmp_path / "file" / "outbox"]
    assert staff.get("/admin/").status_code == 200
    assert standing(staff) == UNKNOWN
    sessions.confirm(timezone.now())


def test_strangers_take_no_place_of_staff_and_staff_none_of_theirs(staff):
    with bulkhead.LOGINS.place():
        assert Client().get("/admin/login/").status_code == 503
        assert staff.get("/admin/").status_code == 200
    with bulkhead.STAFF.place(), bulkhead.STAFF.place():
        assert Client().get("/admin/login/").status_code == 200
        assert staff.get("/admin/").status_code == 503


def test_whoever_computes_a_hash_leaves_the_place_to_others():
    with bulkhead.LOGINS.place(), bulkhead.left():
        with bulkhead.LOGINS.place() as has_place:
            assert has_place
            with pytest.raises(bulkhead.Full), bulkhead.left():
                pass
        assert not bulkhead.LOGINS.may_leave
    assert bulkhead.LOGINS.may_leave
    with bulkhead.LOGINS.place() as has_place:
        assert has_place


@pytest.mark.django_db(transaction=True)
def test_who_takes_a_place_takes_the_connection_that_its_last_user_had():
    """Else a process would open more of them than it has places."""

    def session() -> int:
        with bulkhead.STAFF.place(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

    with ThreadPoolExecutor(1) as another_thread:
        mine, theirs = session(), another_thread.submit(session).result()  # neither request has ended
        another_thread.submit(lambda: connection.close()).result()
    assert mine == theirs


def test_while_logins_are_refused_a_quote_still_gets_the_place_that_they_share():
    def has_place(house: bulkhead.Bulkhead) -> bool:
        with house.place() as has_place:
            return has_place

    with ThreadPoolExecutor(1) as another_thread:
        with bulkhead.LOGINS.place():
            assert not another_thread.submit(has_place, bulkhead.LOGINS).result()
            quote = another_thread.submit(has_place, bulkhead.QUOTES)
            assert eventually(quote.running)
        assert quote.result()
