"""The inbox is installed on a phone's home screen, where an iPhone alone lets it show notices."""

import json
import struct

LIST = "/admin/leads/lead/"


def test_a_browser_finds_nothing_wrong_with_the_manifest(visit):
    page = visit()
    found = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert (found["url"], found["errors"]) == (f"{page.url}app.webmanifest", [])
    app = json.loads(found["data"])
    assert (app["name"], app["start_url"], app["scope"], app["display"]) == ("Folio", LIST, "/admin/", "standalone")
    assert {(icon["sizes"], icon.get("purpose", "any")) for icon in app["icons"]} == {
        ("any", "any"),
        ("192x192", "any"),
        ("512x512", "any"),
        ("512x512", "maskable"),
    }
    installable = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")
    # As every context of the tests is.
    assert [error["errorId"] for error in installable["installabilityErrors"]] == ["in-incognito"]


def test_whoever_logs_in_can_install_it_and_each_icon_is_of_the_size_it_says(new_context):
    page = new_context().new_page()
    page.goto("/admin/login/")
    app = page.request.get(page.locator("link[rel=manifest]").get_attribute("href")).json()
    assert page.request.get(page.locator("link[rel=apple-touch-icon]").get_attribute("href")).ok
    for icon in app["icons"]:
        answer = page.request.get(icon["src"])
        assert (answer.status, answer.headers["content-type"]) == (200, icon["type"])
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.body()[16:24])
            assert f"{width}x{height}" == icon["sizes"]
