"""The figures of a day are right, and counted again when they may have changed."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from leads.desk import counting, tallies
from leads.desk.counting import count
from leads.desk.days import counted
from leads.desk.tallies import NOBODY, UNKNOWN, Day, Group, Tally
from leads.inbox.person import arrange
from leads.models import Lead, LeadDay, LeadEvent
from tests.support.desk import ANA, BETO, JUAREZ, NOON, TODAY, a_lead, an_outcome, the_last

pytestmark = pytest.mark.django_db


def known(number: int = 7, now: datetime = NOON, **options) -> dict[date, Day]:
    return counted(the_last(number, now), now=now, zone=JUAREZ, **options)


# --- The count of a day ---------------------------------------------------------------------------------------------


def test_a_day_counts_people_quotes_money_and_answers(admin_user):
    a_lead(phone="")
    a_lead(source="facebook", total="1000.50")
    done = a_lead(source="facebook", product="block", phone=BETO, total="200.25")
    Lead.objects.contact(done.pk, by=admin_user, now=NOON + timedelta(minutes=12, seconds=40))
    an_outcome(done, "won", "199.99")

    day = count(TODAY, zone=JUAREZ)

    waits, sold = Tally(1, 1, 100_050, 0, 0), Tally(1, 1, 20_025, 1, 19_999)
    assert (day.anonymous, day.total) == (1, waits.plus(sold))
    assert day.sellers == {NOBODY: waits, str(admin_user.pk): sold}
    assert day.sources == {"facebook": waits.plus(sold)}
    assert day.products == {"concrete": waits, "block": sold}
    assert day.minutes == {str(admin_user.pk): {12: 1}}
    assert Day.of_json(day.as_json()) == day


def test_who_asks_several_times_on_a_day_counts_once_with_the_newest_quote():
    a_lead(total="500", source="google")
    a_lead(NOON + timedelta(hours=2), phone="656 123 4567", total="700", source="facebook")
    a_lead(NOON + timedelta(hours=1), total="900")
    a_lead(NOON - timedelta(days=1), total="100")  # on another day, she counts there
    day = count(TODAY, zone=JUAREZ)
    assert day.total == Tally(quotes=3, people=1, quoted=70_000)
    assert day.sources["google"] == Tally(quotes=1)
    assert day.sources["facebook"] == Tally(quotes=1, people=1, quoted=70_000)


def test_two_phones_that_are_one_person_s_count_once(admin_user):
    first, second = a_lead(total="500"), a_lead(NOON + timedelta(hours=1), phone=BETO, total="700")
    arrange.join(first.pk, second.pk, by=admin_user, now=NOON)
    assert count(TODAY, zone=JUAREZ).total == Tally(quotes=2, people=1, quoted=70_000)


def test_phones_without_a_digit_are_a_person_each():
    a_lead(phone="call me", total="1")
    a_lead(phone="on WhatsApp", total="2")
    assert count(TODAY, zone=JUAREZ).total == Tally(quotes=2, people=2, quoted=300)


def test_leads_that_were_set_aside_count_nowhere(admin_user):
    a_lead(total="500")
    sold = a_lead(phone=BETO, total="500")
    an_outcome(sold, "won", "500")
    Lead.objects.update(set_aside="spam")
    assert count(TODAY, zone=JUAREZ).as_json() == Day().as_json()


def test_losses_are_counted_by_reason(admin_user):
    for number, (reason, amount) in enumerate([("Price", "100.10"), ("Price", "50"), ("Date", None)]):
        an_outcome(a_lead(phone=f"+52656000000{number}", total="1"), "lost", amount, reason=reason)
    day = count(TODAY, zone=JUAREZ)
    assert day.losses == {"Price": Group(2, 15_010), "Date": Group(1, 0)}
    assert day.total.sales == 0


def test_the_sale_to_a_person_who_was_erased_stays_and_the_person_does_not():
    sold = a_lead(total="500")
    an_outcome(sold, "won", "450")
    Lead.objects.filter(pk=sold.pk).update(phone="", name="")
    day = count(TODAY, zone=JUAREZ)
    assert (day.total, day.anonymous) == (Tally(sales=1, sold=45_000), 1)


def test_a_lead_that_another_program_contacted_is_answered_by_nobody_known():
    lead = a_lead(total="500")
    Lead.objects.filter(pk=lead.pk).update(status="contacted")
    day = count(TODAY, zone=JUAREZ)
    assert (day.sellers, day.minutes) == ({UNKNOWN: Tally(1, 1, 50_000)}, {})


@pytest.mark.parametrize(
    ("data", "quoted"),
    [
        ({"total": "1234.565"}, 123_456),  # as leads.models.follow_up rounds it
        ({"total": 1234.5}, 123_450),
        ({"total": "1e3"}, 100_000),
        ({"total": "NaN"}, 0),
        ({"total": "Infinity"}, 0),
        ({"total": "-5"}, 0),
        ({"total": "9" * 40}, 0),
        ({"total": "1e999999999"}, 0),
        ({"total": "a lot"}, 0),
        ({"total": "5." + "0" * 100_000}, 0),
        ({"total": True}, 0),
        ({"total": None}, 0),
        ({"total": {"amount": "5"}}, 0),
        ({"total": ["5"]}, 0),
        ({"total": "5", "currency": "USD"}, 0),
        ({"total": "5", "currency": "MXN"}, 500),
        ({"total": "5", "currency": ""}, 500),
        ({"total": "5", "currency": 3}, 0),
        ({"lines": 7, "attribution": [], "total": "5"}, 500),
        ([], 0),
        ("5", 0),
        (5, 0),
        (None, 0),
    ],
)
def test_a_quote_of_another_program_breaks_no_count(data, quoted):
    lead = a_lead()
    with connection.cursor() as cursor:  # None as JSON's null
        cursor.execute("UPDATE leads SET quote_data = %s WHERE id = %s", [json.dumps(data), lead.pk])
    assert count(TODAY, zone=JUAREZ).total == Tally(quotes=1, people=1, quoted=quoted)


def test_amounts_are_exact_however_many_and_large():
    for number in range(30):
        a_lead(phone=f"+5265600000{number:02}", total="99999999999999.10")
    assert count(TODAY, zone=JUAREZ).total.quoted == 30 * int(Decimal("99999999999999.10") * 100)


def test_a_day_begins_at_midnight_in_the_business_s_zone():
    a_lead(datetime(2026, 11, 18, 0, 0, tzinfo=JUAREZ))
    a_lead(datetime(2026, 11, 18, 23, 59, tzinfo=JUAREZ))
    a_lead(datetime(2026, 11, 19, 0, 0, tzinfo=JUAREZ))
    assert count(TODAY, zone=JUAREZ).total.quotes == 2


def test_only_business_hours_count_until_contact(admin_user):
    saturday, monday = datetime(2026, 11, 14, 13, 30, tzinfo=JUAREZ), datetime(2026, 11, 16, 8, 10, tzinfo=JUAREZ)
    Lead.objects.contact(a_lead(saturday).pk, by=admin_user, now=monday)
    assert count(saturday.date(), zone=JUAREZ).minutes == {str(admin_user.pk): {40: 1}}  # 30 on Saturday, 10 on Monday


def test_long_times_are_stored_roughly_so_that_a_day_does_not_grow_without_end():
    asked = datetime(2026, 11, 16, 8, 0, tzinfo=JUAREZ)
    stored = [counting._minutes(asked, asked + timedelta(minutes=minutes), JUAREZ) for minutes in (119, 125, 599)]
    assert stored == [119, 120, 590]
    assert counting._minutes(asked, asked + timedelta(days=1, minutes=110), JUAREZ) == 660  # 710: ten hours and 110


def test_made_up_sources_do_not_grow_a_day_without_end():
    for number in range(counting.MOST_NAMES + 5):
        a_lead(source=f"spam{number}", phone=f"+5265600000{number:02}")
    day = count(TODAY, zone=JUAREZ)
    assert len(day.sources) == counting.MOST_NAMES + 1
    assert day.sources[tallies.OTHERS] == Tally(5, 5)


# --- When a day is counted again ------------------------------------------------------------------------------------


def test_today_is_always_counted_again():
    a_lead()
    assert known()[TODAY].total.quotes == 1
    a_lead()
    assert known()[TODAY].total.quotes == 2


def test_a_day_that_is_over_is_not_read_again():
    yesterday = TODAY - timedelta(days=1)
    a_lead(NOON - timedelta(days=1))
    known()
    Lead.objects.all().delete()
    assert known()[yesterday].total.quotes == 1


def test_a_day_is_counted_again_after_staff_did_something_with_its_leads(admin_user):
    yesterday, month_ago = TODAY - timedelta(days=1), TODAY - timedelta(days=29)
    leads = [a_lead(NOON - timedelta(days=back), phone=phone, total="9") for back, phone in ((1, ANA), (29, BETO))]
    seller, options = str(admin_user.pk), {"by": admin_user, "now": NOON}

    def after(act, *details) -> list[Day]:
        known(30)
        for lead in leads:
            act(lead.pk, *details, **options)
        known(7)  # a look at a shorter period must not hide the event from a longer one
        return [known(30)[day] for day in (yesterday, month_ago)]

    contacted = after(Lead.objects.contact)
    assert [day.sellers for day in contacted] == [{seller: Tally(1, 1, 900)}] * 2
    assert [day.sellers for day in after(Lead.objects.revert)] == [{NOBODY: Tally(1, 1, 900)}] * 2
    assert [day.total.sold for day in after(arrange.sold, Decimal("8"))] == [800, 800]
    assert [day.total.sold for day in after(arrange.reopen)] == [0, 0]
    assert [day.losses for day in after(arrange.lost, "Price")] == [{"Price": Group(1, 900)}] * 2
    after(arrange.reopen)
    assert [day.total.people for day in after(arrange.put_aside, "spam")] == [0, 0]
    assert [day.total.people for day in after(arrange.bring_back)] == [1, 1]


def test_an_export_and_a_plan_cause_no_new_count(admin_user):
    lead = a_lead(NOON - timedelta(days=1))
    known()
    arrange.plan(lead.pk, arrange.Step(NOON), by=admin_user, now=NOON)
    LeadEvent.objects.note(LeadEvent.Kind.EXPORTED, [lead.pk], by=admin_user, now=NOON, detail="csv")
    known()
    assert not LeadDay.objects.filter(is_outdated=True).exists()


def test_a_late_lead_is_counted_the_later_the_longer_its_day_is_over():
    yesterday = TODAY - timedelta(days=1)
    known()
    a_lead(NOON - timedelta(days=1))  # the day ended twelve hours ago, so its count is good for one hour
    assert known(now=NOON + timedelta(minutes=59))[yesterday].total.quotes == 0
    assert known(now=NOON + timedelta(minutes=71))[yesterday].total.quotes == 1


def test_a_day_that_was_counted_before_its_end_is_counted_again_after_it():
    known(now=NOON)
    a_lead(NOON + timedelta(hours=3))
    assert known(now=NOON + timedelta(days=1))[TODAY].total.quotes == 1


def test_after_a_change_of_the_opening_hours_every_day_is_counted_again(settings, admin_user):
    asked = NOON - timedelta(days=1)
    Lead.objects.contact(a_lead(asked).pk, by=admin_user, now=asked + timedelta(minutes=30))
    assert known()[asked.date()].minutes == {str(admin_user.pk): {30: 1}}
    closed = timedelta(hours=12, minutes=10)
    settings.BUSINESS_HOURS = (((timedelta(hours=8), closed),),) * 7
    assert known()[asked.date()].minutes == {str(admin_user.pk): {10: 1}}


def test_after_a_change_of_the_holidays_every_day_is_counted_again(settings, admin_user):
    asked = NOON - timedelta(days=1)
    Lead.objects.contact(a_lead(asked).pk, by=admin_user, now=asked + timedelta(minutes=30))
    assert known()[asked.date()].minutes == {str(admin_user.pk): {30: 1}}
    settings.HOLIDAYS = (asked.date().isoformat(),)
    assert known()[asked.date()].minutes == {str(admin_user.pk): {0: 1}}


def test_counting_days_for_the_first_time_stops_after_two_seconds():
    a_lead(NOON - timedelta(days=80))
    seconds = iter(range(0, 1000, 1))  # each reading of the clock is a second later
    assert list(known(90, clock=lambda: next(seconds))) == the_last(3)
    assert len(known(90, clock=lambda: 0)) == 90


def test_the_desk_works_on_a_read_only_database():
    a_lead()
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert known(1)[TODAY].total.quotes == 1
