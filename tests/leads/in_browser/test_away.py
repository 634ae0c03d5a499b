"""A seller says on a phone from when to when they are away."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support import mark
from tests.support.browser import DESKTOP_WIDTH, PHONE_WIDTH
from tests.support.live import Postgres
from tests.support.looks import assert_fits_the_screen

pytestmark = pytest.mark.needs("chromium")


@pytest.mark.parametrize(
    ("width", "scripts"), mark.by_hand_but(1, [(PHONE_WIDTH, True), (DESKTOP_WIDTH, True), (PHONE_WIDTH, False)])
)
def test_somebody_is_away_and_here_again(visit: Callable[..., Page], postgres: Postgres, width: int, scripts: bool):
    page = visit(width=width, scripts=scripts)
    page.locator("details.account summary").click()
    page.get_by_role("link", name="Quién está fuera").click()
    people = page.locator("ul.versions > li")
    first = people.first
    details = first.locator("details")
    if details.get_attribute("open") is None:
        first.locator("summary").click()
    last = (timezone.now() + timedelta(days=3)).date()
    first.get_by_label("Último día fuera").fill(last.isoformat())
    assert_fits_the_screen(page)
    first.get_by_role("button", name="Guardar").click()
    expect(page.locator(".messagelist")).to_contain_text("estará fuera del")
    expect(people.first).to_contain_text("fuera del")
    [absence] = postgres.query("SELECT until FROM staff_absences")
    assert absence["until"] == last + timedelta(days=1)
    assert_fits_the_screen(page)
    if people.first.locator("details").get_attribute("open") is None:
        people.first.locator("summary").click()
    people.first.get_by_role("button", name="Ya volvió").click()
    expect(page.locator(".messagelist")).to_contain_text("está de vuelta")
    assert postgres.query("SELECT 1 FROM staff_absences") == []
