"""Staff of a site that runs with gunicorn."""

import re

from tests.support.live import Answer, Site


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
