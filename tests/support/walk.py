"""The steps of a customer in Chromium, and assertions for every page."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, expect

from tests.support import live
from tests.support.browser import HEIGHT, PHONE_WIDTH, silent_context
from tests.support.customers import a_quote
from tests.support.eventually import eventually
from tests.support.live import Site, message

NAME, PHONE = "María Peña", "656 123 4567"
CHAT = "https://wa.me/"

# 5.6 m³ is billed as 6, at 2,569.46 and 150.00 of fibre; 40 m² × 12 cm × 0.98 = 4.704 m³ is billed as 5, at 3,254.56:
# 16,316.76 + 16,272.80 = 32,589.56, and 8 % on it 2,607.16.
TOTAL = "35,196.72"


@contextmanager
def visiting(
    browser: Browser,
    site: Site,
    *,
    width: int = PHONE_WIDTH,
    scripts: bool = True,
    locale: str = "es-MX",
    expected: Sequence[str] = (),
    service_workers: str = "block",
    **more: Any,
) -> Iterator[Page]:
    """Yield a page, and fail if its console has a message or it requests anything but the site and WhatsApp.

    expected: parts of messages that may appear; more: further arguments of new_context.
    """
    circumstances = {
        "base_url": site.url,
        "viewport": {"width": width, "height": HEIGHT},
        "java_script_enabled": scripts,
        "locale": locale,
        "extra_http_headers": live.THROUGH_THE_PROXY,
        "service_workers": service_workers,
        **more,
    }
    other_requests: list[str] = []
    with silent_context(browser, expected=["status of 422", *expected], **circumstances) as context:
        context.on(
            "request", lambda request: other_requests.append(request.url) if is_other(request.url, site) else None
        )
        page = context.new_page()
        answer_as_whatsapp(page)
        yield page
    assert other_requests == []


def is_other(url: str, site: Site) -> bool:
    return not url.startswith((f"{site.url}/", CHAT, "data:"))


def answer_as_whatsapp(page: Page) -> None:
    # Playwright's own interception does not catch the target of a redirect; this one does.
    chrome = page.context.new_cdp_session(page)
    html = [{"name": "Content-Type", "value": "text/html"}]
    no_icon = b64encode(b'<link rel="icon" href="data:,">').decode()
    chat = {"responseCode": 200, "responseHeaders": html, "body": no_icon}
    answer = partial(chrome.send, "Fetch.fulfillRequest")
    chrome.on("Fetch.requestPaused", lambda paused: answer({"requestId": paused["requestId"], **chat}))
    chrome.send("Fetch.enable", {"patterns": [{"urlPattern": f"{CHAT}*", "resourceType": "Document"}]})


# The fields of the two lines, and a script that unfolds them and fills them in.
FIRST_LINE = {
    "lines.0.options.strength": "200",
    "lines.0.options.service": "direct",
    "lines.0.measure.volume.m3": "5,6",
    "lines.0.extras": "fiber",
}
SECOND_LINE = {
    "lines.1.options.strength": "250",
    "lines.1.options.service": "pumped",
    "lines.1.measure.kind": "solid_area",
    "lines.1.measure.solid_area.area_m2": "40",
    "lines.1.measure.solid_area.thickness_cm": "12",
}
FILL_IN = """(fields) => {
  for (const [name, text] of Object.entries(fields)) {
    const isChoice = ({ type }) => ["radio", "checkbox"].includes(type);
    const field = [...document.getElementsByName(name)].find((each) => !isChoice(each) || each.value === text);
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (isChoice(field)) {
      if (!field.checked) field.click();
    } else {
      field.value = text;
      for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
    }
  }
}"""


# --- What a customer does -------------------------------------------------------------------------------------------


def choose(page: Page, name: str, value: str) -> None:
    option = f'input[name="{name}"][value="{value}"]'
    unfold(page, option)
    page.click(f"{option} + label")


def unfold(page: Page, selector: str) -> None:
    """Open the <details> elements around a control, from the outside inwards."""
    folded = page.locator(f"details:not([open]):has({selector}) > summary")
    while folded.count():
        folded.first.click()


def press(page: Page, edit: str) -> None:
    """Press an edit button and wait until the page has changed."""
    page.locator(".lines").evaluate("lines => { lines.dataset.before = '' }")
    page.click(f'button[name="edit"][value="{edit}"]')
    expect(page.locator(".lines:not([data-before])")).to_be_visible()


def fill_in_two_lines(page: Page) -> None:
    """Fill in two lines by a script, in a third of the time that type_in_two_lines() takes."""
    page.evaluate(FILL_IN, FIRST_LINE)
    press(page, "add:concrete")
    page.evaluate(FILL_IN, SECOND_LINE)


def type_in_two_lines(page: Page) -> None:
    """Fill in two lines as a customer does."""
    choose(page, "lines.0.options.strength", "200")
    choose(page, "lines.0.options.service", "direct")
    page.fill('[name="lines.0.measure.volume.m3"]', "5,6")
    page.check('[name="lines.0.extras"][value="fiber"]')
    press(page, "add:concrete")
    choose(page, "lines.1.options.strength", "250")
    choose(page, "lines.1.options.service", "pumped")
    choose(page, "lines.1.measure.kind", "solid_area")
    page.fill('[name="lines.1.measure.solid_area.area_m2"]', "40")
    page.fill('[name="lines.1.measure.solid_area.thickness_cm"]', "12")


def get_the_quote(page: Page) -> str:
    """Press the button of the summary; return the folio on the quote's page."""
    page.click(".summary button.primary")
    page.wait_for_url("**/q/*/**")
    return page.locator(".paper").get_attribute("data-folio")


def ask_at_once(page: Page) -> None:
    """Ask for the quote before the live total has said that something is wrong, as a quick thumb does."""
    page.locator("#calculator").evaluate("form => form.requestSubmit()")


def open_a_quote(page: Page, site: Site) -> dict[str, Any]:
    """Make a quote by JSON and open its page; return the JSON."""
    quote = a_quote(site)
    page.goto(f"/q/{quote['token']}/")
    return quote


def go_to_the_chat(page: Page, *, name: str = NAME, phone: str = PHONE) -> str:
    """Send name and phone; return the message in the chat."""
    if page.locator("[data-change-phone]").is_visible():  # this quote was sent before
        page.click("[data-change-phone]")
    page.fill("#name", name)
    page.fill("#phone", phone)
    page.click("#checkout button.primary")
    page.wait_for_url(f"{CHAT}**")
    return message(page.url)


def start_afresh(page: Page, site: Site) -> None:
    """Leave the site, and clear its storage in the browser."""
    page.goto("about:blank")
    chrome = page.context.new_cdp_session(page)
    chrome.send("Storage.clearDataForOrigin", {"origin": site.url, "storageTypes": "all"})
    chrome.detach()


def typed(page: Page, form: str = "#calculator") -> dict[str, list[str]]:
    """Return the values of a form's fields, without the mark of one that was refused."""
    pairs = page.evaluate("(form) => [...new FormData(document.querySelector(form))]", form)
    return {name: [value for key, value in pairs if key == name] for name, _ in pairs if name != "checked"}


def tab_to(page: Page, selector: str, *, backwards: bool = False) -> None:
    for _ in range(40):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{selector} is not within reach of the Tab key")


def go_to_the_chat_by_keyboard(page: Page) -> None:
    tab_to(page, "#name")
    page.keyboard.type(NAME)
    tab_to(page, "#phone")
    page.keyboard.type(PHONE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{CHAT}**")


# --- Assertions for every page --------------------------------------------------------------------------------------


def fits_the_screen(page: Page) -> None:
    """Nothing extends beyond the right edge, and on a phone every control is large enough."""
    assert page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth")
    if page.viewport_size["width"] == PHONE_WIDTH:
        assert page.evaluate(SMALL_TARGETS) == []


# A radio button counts as large as its label. A link in a sentence is exempt, because it is as high as its line.
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
  .filter((target) => target.checkVisibility() && !target.closest(".visually-hidden, .skip, .website"))
  .filter(({ parentNode }) => ![...parentNode.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim()))
  .map((target) => [target, target.matches("[type=radio], [type=checkbox]") ? target.labels[0] : target])
  .map(([target, area]) => [target.outerHTML.slice(0, 90), area.getBoundingClientRect().height])
  .filter(([, height]) => height < 44)"""


# Error messages that no field and no group of fields has as its description.
STRAY_ERRORS = """() => [...document.querySelectorAll(".error")]
  .filter(({ id }) => !document.querySelector(`:is([aria-invalid=true], fieldset)[aria-describedby~="${id}"]`))
  .map((message) => message.textContent)"""


class Spoken(NamedTuple):
    """What a screen reader gets for the focused control. field: its name; description: with that of its group."""

    field: str
    label: str
    description: str
    is_invalid: bool


def focused(page: Page) -> Spoken:
    """Return the accessibility data of the focused control, which the browser has shortly after the page has loaded."""
    return eventually(lambda: spoken if (spoken := _spoken(page)).label else None, or_show=lambda: _spoken(page))


def _spoken(page: Page) -> Spoken:
    chrome = page.context.new_cdp_session(page)
    chrome.send("Accessibility.enable")
    element = chrome.send("Runtime.evaluate", {"expression": "document.activeElement"})["result"]["objectId"]
    nodes = chrome.send("Accessibility.getAXNodeAndAncestors", {"objectId": element})["nodes"]
    chrome.detach()
    descriptions = [node.get("description", {}).get("value", "") for node in nodes]
    properties = {each["name"]: each["value"].get("value") for each in nodes[0].get("properties", [])}
    return Spoken(
        field=page.evaluate("() => document.activeElement.name ?? ''"),
        label=nodes[0].get("name", {}).get("value", ""),
        description=" ".join(filter(None, descriptions)),
        is_invalid=properties.get("invalid") == "true",
    )
