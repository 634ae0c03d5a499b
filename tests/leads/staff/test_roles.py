"""The staff's groups: a user of each can do on the pages exactly what its permissions say."""

import re
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command

from leads.delivery.record import lead_record
from leads.models import Lead
from leads.staff.roles import ROLES
from tests.support.addresses import addresses
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
SALES, SALES_MANAGER, OWNER = "Sales", "Sales manager", "Owner"
NO_GROUP = "a staff login without a group"


def run() -> str:
    out = StringIO()
    call_command("ensure_roles", stdout=out)
    return out.getvalue()


@pytest.fixture
def member(client):
    """Return a browser in which somebody of a group is signed in."""
    run()

    def signed_in(role: str):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.set(Group.objects.filter(name=role))
        client.force_login(user)
        client.user = user
        return client

    return signed_in


def a_lead() -> Lead:
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    return Lead.objects.get(folio=issued.quote.folio)


@pytest.mark.parametrize("role", [SALES, SALES_MANAGER, OWNER])
def test_every_group_can_see_leads_contact_them_and_write_notes(member, role):
    browser, lead = member(role), a_lead()
    assert browser.get(LIST).status_code == 200
    browser.post(f"{LIST}{lead.pk}/change/", {"notes": "Llamar", "name": "x", "phone": "1", "status": "contacted"})
    browser.post(f"{LIST}{lead.pk}/contact/")
    before = (lead.name, lead.phone)
    lead.refresh_from_db()
    assert (lead.status, lead.contacted_by) == ("contacted", browser.user)
    assert [(note.text, note.author) for note in lead.kept_notes.all()] == [("Llamar", browser.user)]
    assert (lead.name, lead.phone) == before


@pytest.mark.parametrize("role", [SALES, SALES_MANAGER, OWNER])
def test_nobody_adds_or_deletes_leads(member, role):
    browser, lead = member(role), a_lead()
    assert browser.get(f"{LIST}add/").status_code == 403
    assert browser.post(f"{LIST}{lead.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("role", "may_export", "may_price", "may_manage_users"),
    [
        (NO_GROUP, False, False, False),
        (SALES, False, False, False),
        (SALES_MANAGER, True, False, False),
        (OWNER, True, True, True),
    ],
)
def test_exports_prices_and_users_are_for_some_groups_only(member, role, may_export, may_price, may_manage_users):
    browser = member(role)
    assert browser.user.has_perm("leads.export_lead") == may_export
    assert browser.user.has_perm("leads.change_price_book") == may_price
    assert (browser.get("/admin/auth/user/").status_code == 200) == may_manage_users
    assert (browser.get("/admin/auth/user/add/").status_code == 200) == may_manage_users
    assert (browser.get("/admin/leads/leadevent/").status_code == 200) == may_manage_users


def test_without_a_group_a_staff_login_sees_nothing(member):
    browser, lead = member(NO_GROUP), a_lead()
    assert browser.get(LIST).status_code == 403
    assert browser.post(f"{LIST}{lead.pk}/contact/").status_code == 403


def test_a_salesperson_s_crafted_requests_change_no_quote_and_see_no_user(member):
    browser, lead, colleague = member(SALES), a_lead(), User.objects.create_user("bea", is_staff=True)
    before = Lead.objects.values().get(pk=lead.pk)
    everything = dict.fromkeys(before, "1") | {"quote_data": "{}", "folio": "x"}

    assert browser.post(f"{LIST}add/", everything).status_code == 403
    assert browser.post(f"{LIST}{lead.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(f"{LIST}{lead.pk}/change/", everything)
    changes = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": lead.pk, "form-0-name": "x"}
    browser.post(LIST, {**changes, "_save": "Save"})
    for action in ("delete_selected", "export", "export_csv"):
        answer = browser.post(LIST, {"action": action, "_selected_action": [lead.pk], "post": "yes"})
        assert "csv" not in answer.headers.get("Content-Type", "")
    assert Lead.objects.values().get(pk=lead.pk) == before

    for path in ("", "add/", f"{colleague.pk}/change/", f"{colleague.pk}/password/", f"{colleague.pk}/delete/"):
        assert browser.get(f"/admin/auth/user/{path}").status_code == 403, path
        assert browser.post(f"/admin/auth/user/{path}", {"is_superuser": "on"}).status_code == 403, path
    own = f"/admin/auth/user/{browser.user.pk}/change/"
    assert browser.post(own, {"username": SALES, "is_superuser": "on", "is_staff": "on"}).status_code == 403
    browser.user.refresh_from_db()
    assert not browser.user.is_superuser
    assert browser.get("/admin/auth/group/").status_code == 403
    assert browser.get("/admin/leads/leadevent/").status_code == 403
    assert browser.get("/admin/mfa/authenticator/").status_code == 404


def test_an_owner_can_assign_groups_and_nothing_beyond_them(member):
    browser, sales = member(OWNER), Group.objects.get(name=SALES)
    bea = User.objects.create_user("bea", is_staff=True)
    form = {"username": "bea", "is_active": "on", "is_staff": "on", "groups": [sales.pk], "is_superuser": "on"}
    form |= {"user_permissions": [Permission.objects.get(codename="delete_user").pk]}
    joined = {"date_joined_0": "2026-11-22", "date_joined_1": "12:00:00"}
    for user in (bea, browser.user):
        answer = browser.post(f"/admin/auth/user/{user.pk}/change/", {**form, **joined, "username": user.username})
        assert answer.status_code == 302
        user = User.objects.get(pk=user.pk)
        assert (user.is_superuser, user.user_permissions.count()) == (False, 0)
        assert list(user.groups.all()) == [sales]


def test_an_owner_cannot_change_a_superuser(member):
    browser, boss = member(OWNER), User.objects.create_superuser("boss", password="the boss's own")
    for path in ("change/", "password/"):
        form = {"username": "x", "password1": "x", "password2": "x"}
        answer = browser.post(f"/admin/auth/user/{boss.pk}/{path}", form)
        assert answer.status_code == 403, path
    assert User.objects.get(pk=boss.pk).check_password("the boss's own")
    Authenticator.objects.create(user=boss, type="totp", data={})
    Authenticator.objects.create(user=browser.user, type="totp", data={})
    chosen = [boss.pk, browser.user.pk]
    browser.post("/admin/auth/user/", {"action": "forget_second_factor", "_selected_action": chosen})
    assert [factor.user for factor in Authenticator.objects.all()] == [boss]


def test_an_owner_can_neither_delete_logins_nor_change_groups(member):
    browser = member(OWNER)
    assert browser.post(f"/admin/auth/user/{browser.user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/auth/group/add/").status_code == 403
    group = Group.objects.get(name=SALES)
    browser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Sales", "permissions": []})
    assert group.permissions.count() == 4


@pytest.mark.parametrize("role", ROLES)
def test_a_group_has_the_permissions_of_its_role_and_no_other(member, role):
    assert member(role).user.get_all_permissions() == ROLES[role]


def test_permissions_changed_by_hand_are_restored_and_members_stay():
    assert run() == "Sales, Sales manager, Owner: 3 created, 28 permissions granted, 0 revoked\n"
    sales, ana = Group.objects.get(name=SALES), User.objects.create_user("ana")
    sales.user_set.add(ana)
    own = Group.objects.create(name="Accounting")
    export = Permission.objects.get(codename="export_lead")
    sales.permissions.set([export])
    own.permissions.set([export])

    assert run() == "Sales, Sales manager, Owner: 0 created, 4 permissions granted, 1 revoked\n"

    assert ana.get_all_permissions() == ROLES[SALES]
    assert list(own.permissions.all()) == [export]
    assert run() == "Sales, Sales manager, Owner: 0 created, 0 permissions granted, 0 revoked\n"


def test_before_migrate_ensure_roles_says_so_and_changes_nothing():
    Permission.objects.filter(codename="export_lead").delete()
    with pytest.raises(CommandError, match=r"There is no leads.export_lead yet: run `manage.py migrate` first"):
        run()
    assert not Group.objects.exists()


@pytest.mark.parametrize("role", [NO_GROUP, SALES, SALES_MANAGER, OWNER])
def test_every_group_gets_a_page_or_a_refusal_at_every_address_of_the_admin(member, role):
    browser, lead = member(role), a_lead()
    every = [path for path in addresses({"app_label": "leads"}, str(lead.pk)) if path.startswith("/admin/")]
    answers = {path: browser.get(path).status_code for path in every}
    assert len(answers) > 60
    assert {path: status for path, status in answers.items() if status not in (200, 302, 400, 403, 404, 405)} == {}
    pages = {LIST: 200, f"{LIST}{lead.pk}/change/": 200, f"{LIST}{lead.pk}/history/": 302}
    assert {path: answers[path] for path in pages} == (dict.fromkeys(pages, 403) if role == NO_GROUP else pages)


def test_without_a_group_nothing_can_be_sent_to_any_address_but_those_of_one_s_own_login(member):
    browser, lead = member(NO_GROUP), a_lead()
    before = Lead.objects.values().get()
    own = re.compile("/admin/((login|logout|join|password|password_change|second-factor|unfinished|jsi18n)/|$)")
    every = {path for path in addresses({"app_label": "leads"}, str(lead.pk)) if path.startswith("/admin/")}
    shops = sorted(path for path in every if not own.match(path))
    answers = {path: browser.post(path, {"action": "add", "name": "x"}) for path in shops}
    taken = {
        path: (answer.status_code, answer.headers.get("Location"))
        for path, answer in answers.items()
        # Django leads from the address of an object to its page, which refuses, and from that of none to the start.
        if answer.status_code not in (403, 404, 405)
        and not re.search("/change/$|^/admin/$", answer.get("Location", ""))
    }
    assert taken == {}
    assert Lead.objects.values().get() == before
