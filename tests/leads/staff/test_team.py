"""The owner's page of who works here: adding somebody, how they get in, and what can be changed."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from leads.staff.roles import ROLES, ensure_roles

pytestmark = pytest.mark.django_db

TEAM, LOGIN = "/admin/team/", "/admin/login/"
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def roles() -> None:
    ensure_roles()


def a_member(username: str, role: str, **fields) -> User:
    user = User.objects.create_user(username, is_staff=True, password=PASSWORD, **fields)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def owner(client) -> Client:
    """The browser of an Owner."""
    client.user = a_member("rosa", "Owner", first_name="Rosa", last_name="Sol")
    client.force_login(client.user)
    return client


def act(browser: Client, action: str, **fields: str):
    return browser.post(TEAM, {"action": action, **fields})


def added(owner: Client, name: str = "Ana Ruiz", role: str = "Sales") -> tuple[User, str]:
    """Add a member; return it, and the path of the link."""
    page = act(owner, "add", name=name, role=role)
    assert page.status_code == 200
    invitation = page.context["invitation"]
    return invitation.user, urlsplit(invitation.url).path


def set_password(path: str, password: str = PASSWORD, browser: Client | None = None):
    """Open a link as whoever has it, and set a password; return the last answer."""
    browser = browser or Client()
    form = browser.get(path, follow=True)
    if not form.context["validlink"]:
        return form
    data = {"new_password1": password, "new_password2": password}
    return browser.post(form.request["PATH_INFO"], data, follow=True)


def test_somebody_is_added_by_name_and_role_and_gets_in_by_the_link(owner):
    page = act(owner, "add", name="  Ana  Ruiz ", role="Sales manager")
    ana = User.objects.get(username="ana")
    assert (ana.get_full_name(), ana.is_staff, ana.is_superuser) == ("Ana Ruiz", True, False)
    assert [group.name for group in ana.groups.all()] == ["Sales manager"]
    assert not ana.has_usable_password()
    invitation = page.context["invitation"]
    assert invitation.url in page.content.decode()
    [text] = parse_qs(urlsplit(invitation.chat_url).query)["text"]
    assert invitation.url in text
    assert "ana" in text

    done = set_password(urlsplit(invitation.url).path)
    assert done.request["PATH_INFO"] == LOGIN
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)


def test_a_link_works_once_and_for_a_day(owner, monkeypatch):
    ana, path = added(owner)
    set_password(path)
    again = set_password(path, "another password of hers")
    assert not again.context["validlink"]
    assert "used already" in again.content.decode() or "ya se usó" in again.content.decode()
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)

    _beto, path = added(owner, "Beto Lara")
    tokens = "django.contrib.auth.tokens.PasswordResetTokenGenerator._now"
    later = (timezone.now() + timedelta(hours=25)).replace(tzinfo=None)
    monkeypatch.setattr(tokens, lambda self: later)
    assert not set_password(path).context["validlink"]


def test_a_weak_password_is_refused_beside_its_field_and_the_link_stays_good(owner):
    ana, path = added(owner)
    browser = Client()
    refused = set_password(path, "ana-ruiz", browser)
    assert refused.context["form"].errors
    set_password(path, browser=browser)
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)


def test_the_link_of_somebody_who_was_switched_off_opens_nothing(owner):
    ana, path = added(owner)
    act(owner, f"off:{ana.pk}")
    assert not set_password(path).context["validlink"]


@pytest.mark.parametrize(
    ("name", "username"),
    [
        ("Ana Ruiz", "ana"),
        ("Íñigo Peña", "inigo"),
        ("María José Peña", "maria"),
        ("李 小龍", "staff"),
        ("O'Brien", "o"),
        ("Rosa María", "rosa.maria"),  # there is a rosa
    ],
)
def test_the_user_name_is_easy_to_type(owner, name, username):
    user, _path = added(owner, name)
    assert (user.username, user.get_full_name()) == (username, name)


def test_the_same_first_name_gets_another_user_name(owner):
    names = ["Ana Ruiz", "Ana Lara", "Ana de Lara", "ANA María Lara"]
    assert [added(owner, name)[0].username for name in names] == ["ana", "ana.lara", "ana2", "ana3"]


@pytest.mark.parametrize("name", ["", "  ", "123", "x" * 101, "Rosa Sol", "rosa  SOL"])
def test_a_name_that_says_nobody_or_a_colleague_is_refused_and_kept_as_typed(owner, name):
    before = User.objects.count()
    page = act(owner, "add", name=name, role="Owner")
    assert (page.status_code, User.objects.count()) == (422, before)
    assert page.context["error"] in page.content.decode().replace("&#x27;", "'")
    assert re.search(r'value="Owner" checked', page.content.decode())


@pytest.mark.parametrize("role", ["", "Superuser", "owner"])
def test_an_unknown_role_is_refused(owner, role):
    assert act(owner, "add", name="Ana Ruiz", role=role).status_code == 422
    assert not User.objects.filter(username="ana").exists()


def test_name_role_login_and_second_factor_are_changed_with_an_entry_each(owner):
    ana, path = added(owner)
    set_password(path)
    Authenticator.objects.create(user=ana, type=Authenticator.Type.TOTP, data={})
    other_group = Group.objects.create(name="Night shift")
    ana.groups.add(other_group)

    act(owner, f"name:{ana.pk}", name="Ana Ruiz Peña")
    act(owner, f"role:{ana.pk}", role="Owner")
    act(owner, f"factor:{ana.pk}")
    act(owner, f"off:{ana.pk}")
    ana.refresh_from_db()
    assert ana.get_full_name() == "Ana Ruiz Peña"
    assert {group.name for group in ana.groups.all()} == {"Owner", "Night shift"}
    assert not Authenticator.objects.exists()
    assert not ana.is_active
    act(owner, f"on:{ana.pk}")
    ana.refresh_from_db()
    assert ana.is_active
    history = owner.get(f"/admin/auth/user/{ana.pk}/history/").content.decode()
    for entry in ("Added as Sales", "Changed the name", "role to Owner", "second factor", "login off", "login on"):
        assert entry in history


def test_who_is_switched_off_is_out_at_once(owner):
    ana = a_member("ana", "Sales")
    browser = Client()
    browser.force_login(ana)
    assert browser.get("/admin/leads/lead/").status_code == 200
    act(owner, f"off:{ana.pk}")
    assert browser.get("/admin/leads/lead/").status_code == 302


def test_a_new_link_leaves_the_old_password_until_another_is_set(owner):
    ana = a_member("ana", "Sales")
    path = urlsplit(act(owner, f"link:{ana.pk}").context["invitation"].url).path
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)
    set_password(path, "another password of hers")
    ana.refresh_from_db()
    assert ana.check_password("another password of hers")


@pytest.mark.parametrize("action", ["name", "role", "link", "off", "on", "factor"])
def test_nobody_changes_themselves_or_who_is_above_them(owner, action):
    boss = User.objects.create_superuser("boss")
    for user in (owner.user, boss):
        assert act(owner, f"{action}:{user.pk}", name="X", role="Sales").status_code == 403
    boss.refresh_from_db()
    assert boss.is_active


@pytest.mark.parametrize("action", ["", "add:1", "off", "off:", "off:x", "off:0", "off:99999999999999999999", "drop:1"])
def test_an_action_that_does_not_exist_changes_nothing(owner, action):
    assert act(owner, action).status_code in (404, 422)


@pytest.mark.parametrize("role", [name for name in ROLES if name != "Owner"])
def test_only_owners_see_the_page(client, role):
    client.force_login(a_member("ana", role))
    assert client.get(TEAM).status_code == 403
    assert act(client, "add", name="Beto", role="Owner").status_code == 403
    assert not User.objects.filter(username="beto").exists()
    assert TEAM not in client.get("/admin/").content.decode()


def test_a_stranger_is_led_to_the_login(client):
    assert client.get(TEAM).url.startswith(LOGIN)
    assert set_password("/admin/join/MQ/nonsense-token/").context["validlink"] is False
    assert set_password("/admin/join/%FF/x/").context["validlink"] is False


def test_the_list_says_what_each_is_and_takes_few_queries(owner, django_assert_max_num_queries):
    for number in range(5):
        added(owner, f"Ana {'B' * (number + 1)}")
    User.objects.create_user("customer", is_staff=False)
    with django_assert_max_num_queries(7):
        page = owner.get(TEAM)
    assert [member.name for member in page.context["members"]][-1] == "Rosa Sol"
    assert "customer" not in page.content.decode()
    assert TEAM in owner.get("/admin/").content.decode()


def test_what_an_owner_typed_survives_the_end_of_the_session(owner, settings):
    typed = {"name": "Ana Ruiz", "role": "Sales", "action": "add"}
    from_our_page = {"accept": "text/html", "origin": "http://testserver", "sec-fetch-site": "same-origin"}
    owner.logout()
    answer = owner.post(TEAM, typed, headers=from_our_page)
    assert answer.status_code == 302
    owner.force_login(owner.user)
    offered = owner.get(parse_qs(urlsplit(answer.url).query)["next"][0]).content.decode()
    assert "Ana Ruiz" in offered
    assert not User.objects.filter(username="ana").exists()
