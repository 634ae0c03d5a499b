"""Staff of a site that runs with gunicorn: a client that logs in by the pages, and sessions made without them."""

import re
from typing import Any

from tests.support.codes import app_code
from tests.support.live import Answer, Site, manage

PASSWORD = "correct horse battery staple"
LOG_IN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from importlib import import_module
from django.conf import settings
from leads.staff.second_factor import SECOND_FACTOR_KEY
for name in {names}:
    user, _ = get_user_model().objects.get_or_create(username=name, is_staff=True, is_superuser=True)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[SECOND_FACTOR_KEY] = user.pk
    session.save()
    print("cookie", settings.SESSION_COOKIE_NAME + "=" + session.session_key)
"""


class Staff:
    """A staff member's HTTP client, which keeps cookies."""

    HOST = "127.0.0.1"

    def __init__(self, site: Site) -> None:
        self._site, self.cookies = site, dict[str, str]()

    def get(self, path: str) -> Answer:
        return self._kept(self._site.get(path, **self._headers()))

    def post(self, path: str, page: Answer, **form: str) -> Answer:
        csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        return self._kept(self._site.post(path, {"csrfmiddlewaretoken": csrf, **form}, **self._headers()))

    def _headers(self) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Host": self.HOST, "Origin": f"https://{self.HOST}", "Cookie": cookie}

    def _kept(self, answer: Answer) -> Answer:
        for header in answer.headers.get_all("Set-Cookie", []):
            name, value = header.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return answer


class Browser(Staff):
    def _headers(self) -> dict[str, str]:
        return {**super()._headers(), "Accept": "text/html"}


def first_login(site: Site) -> tuple[Browser, str, list[str]]:
    """Make the first login and its second factor; return the browser, the app's key and the recovery codes."""
    environment = {**site.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    manage("createsuperuser", "--noinput", "--username=ana", "--email=", environment=environment)
    browser = Browser(site)
    assert logged_in(browser).location == "/admin/leads/lead/"
    page = browser.get("/admin/second-factor/app/")
    app = re.search(r"<code[^>]*>(\w+)<", page.text)[1]
    codes = browser.get(browser.post("/admin/second-factor/app/", page, code=app_code(app)).location)
    assert browser.get("/admin/leads/lead/").status == 200
    return browser, app, re.findall(r"^(?:<pre[^>]*>)?(\d{8})$", codes.text, re.MULTILINE)


def logged_in(browser: Browser) -> Answer:
    return browser.post("/admin/login/", browser.get("/admin/login/"), login="ana", password=PASSWORD)


def log_in(site: Site) -> str:
    """Log ana in, a superuser, as if with a second factor; return the session's cookie."""
    return log_all_in(site, "ana")[0]


def log_all_in(site: Site, *names: str) -> list[str]:
    return site.manage("shell", "-v0", "-c", LOG_IN.format(names=names)).split("cookie ")[1:]


def post(site: Site, path: str, form: dict[str, Any] | None = None, *, cookie: str = "", **headers: str) -> Answer:
    """Post a form of the staff's pages as a browser does. cookie: of the session."""
    secret = "a" * 32
    cookies = f"{cookie.strip()}; csrftoken={secret}"
    headers = {"Cookie": cookies, "Origin": site.url.replace("http:", "https:"), **headers}
    return site.post(path, {"csrfmiddlewaretoken": secret, **(form or {})}, **headers)
