"""With a restored lead comes back what was arranged with its person and what became of it. What is newer stays."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from leads import paging
from leads.inbox.person import arrange
from leads.inbox.person.arrange import Step
from leads.models import FollowUp, Lead, LeadOutcome
from tests.leads.privacy.test_arranged import (
    ANA,
    EVA,
    LUIS,
    MONDAY,
    NOW,
    OMAR,
    STEP,
    bety,
    person,
    shop,
    stored_anywhere,
)
from tests.leads.privacy.test_person import run
from tests.leads.privacy.test_restore_leads import export_to, file, restore, restore_and_fail

__all__ = ["bety", "file", "person", "shop"]  # fixtures
pytestmark = pytest.mark.django_db


def people() -> dict[str, dict[str, Any]]:
    """Return what was arranged with each person, by the key of their first phone."""
    return {each["key"]: each for each in FollowUp.objects.filter(joined_to="").values()}


def joined() -> dict[str, str]:
    return dict(FollowUp.objects.filter(joined_to__gt="").values_list("key", "joined_to"))


def outcomes() -> list[tuple[Any, ...]]:
    told = LeadOutcome.objects.order_by("lead__folio")
    return list(told.values_list("lead__folio", "kind", "amount", "reason", "at", "by"))


def delete_all() -> None:
    Lead.objects.all().delete()
    FollowUp.objects.all().sweep()
    assert not FollowUp.objects.exists()


@pytest.mark.parametrize("page", [1, 500])
def test_steps_sellers_joined_phones_and_outcomes_come_back_with_the_leads(person, file, monkeypatch, page):
    before = people(), joined(), outcomes()
    export_to(file)
    delete_all()
    monkeypatch.setattr(paging, "PAGE", page)
    assert restore(file, "--dry-run").startswith("4 leads would be restored")
    assert not FollowUp.objects.exists()
    for done in ("4 leads restored, 0", "0 leads restored, 4"):
        assert restore(file).startswith(done)
        assert (people(), joined(), outcomes()) == before


def test_what_is_newer_in_the_table_stays(shop, bety, file):
    export_to(file)
    now = NOW + timedelta(days=1)
    arrange.plan(shop[ANA].pk, Step(MONDAY + timedelta(days=7), "otra vez", bety), by=bety, now=now)
    arrange.sold(shop[OMAR].pk, Decimal("99.00"), by=bety, now=now)
    before = people(), outcomes()
    Lead.objects.filter(phone=ANA).delete()  # and nobody has swept yet
    Lead.objects.filter(phone=LUIS).delete()
    assert restore(file).startswith("2 leads restored, 2 were there already")
    assert (people(), outcomes()) == before


def test_a_phone_that_staff_have_joined_with_another_since_stays_joined(shop, bety, file):
    arrange.join(shop[ANA].pk, shop[EVA].pk, by=bety, now=NOW)
    export_to(file)
    arrange.join(shop[LUIS].pk, shop[ANA].pk, by=bety, now=NOW)
    before = joined()
    FollowUp.objects.filter(key=EVA[-10:]).delete()
    Lead.objects.filter(phone=EVA).delete()
    restore(file)
    assert joined() == before == {ANA[-10:]: LUIS[-10:], EVA[-10:]: LUIS[-10:]}


def test_the_phone_of_an_erased_person_does_not_come_back_with_another_that_was_joined(shop, bety, file):
    arrange.join(shop[LUIS].pk, shop[ANA].pk, by=bety, now=NOW)
    export_to(file)
    arrange.separate(shop[ANA].pk, by=bety, now=NOW)
    run("erase", LUIS, "--yes")
    Lead.objects.filter(phone=ANA).delete()
    FollowUp.objects.all().sweep()
    assert restore(file) == "1 leads restored, 2 were there already, 1 stay erased\n"
    assert LUIS[-10:] not in stored_anywhere()
    assert FollowUp.objects.get(key=ANA[-10:]).joined_to == ""


def test_who_has_no_login_here_any_more_is_nobody(shop, bety, file):
    export_to(file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    Path(file).write_text("\n".join(json.dumps(line).replace('"bety"', '"gone"') for line in lines))
    delete_all()
    assert User.objects.filter(username="bety").exists()
    restore(file)
    assert set(LeadOutcome.objects.values_list("by", flat=True)) == {None}
    assert {(each["seller_id"], each["step_by_id"]) for each in people().values()} == {(None, None)}
    assert people()[ANA[-10:]]["step"] == STEP


def test_a_batch_takes_the_same_queries_however_many_people_are_in_it(shop, file, django_assert_num_queries):
    export_to(file)
    delete_all()
    # As leads alone; then the outcomes; who is known, whose leads are here, and the follow-ups.
    with django_assert_num_queries(10 + 1 + 1 + 3):
        assert restore(file).startswith("4 leads restored")


OUTCOME = {"kind": "won", "amount": "1.00", "reason": "", "at": "2026-11-23T10:00:00-07:00", "by": "bety"}
FOLLOW_UP = {"phone": ANA[-10:], "is_open": True, "step": ""}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "won"}, "its outcome is not as an export has it"),
        ({"outcome": OUTCOME | {"kind": "eaten"}}, "its outcome is not as an export has it"),
        ({"outcome": OUTCOME | {"amount": "NaN"}}, "its outcome is not as an export has it"),
        ({"outcome": OUTCOME | {"amount": 1.5}}, "its outcome is not as an export has it"),
        ({"outcome": OUTCOME | {"at": "2026-11-23"}}, "its outcome is not as an export has it"),
        ({"outcome": OUTCOME | {"amount": "1e30"}}, "Postgres refuses it (DataError 22003)"),
        ({"follow_up": []}, "its follow_up is not as an export has it"),
        ({"follow_up": FOLLOW_UP | {"is_open": "yes"}}, "its follow_up is not as an export has it"),
        ({"follow_up": FOLLOW_UP | {"step": None}}, "its follow_up is not as an export has it"),
        ({"follow_up": FOLLOW_UP | {"seller": 5}}, "its follow_up is not as an export has it"),
    ],
)
def test_a_line_that_says_anything_else_is_named_and_the_others_are_restored(shop, file, change, reason):
    export_to(file)
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps(json.loads(first) | change), *others]))
    delete_all()
    assert restore_and_fail(file)[0][0] == f"line 1: {reason}"
    assert set(Lead.objects.values_list("phone", flat=True)) == {LUIS, OMAR, EVA}
    assert LeadOutcome.objects.count() == 2
    assert ANA[-10:] not in people()
