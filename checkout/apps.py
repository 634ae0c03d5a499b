from typing import cast

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from checkout import notice
from quoter.engine.text import Text
from quoter.shop import details, served
from quoter.shop.version import digest


class CheckoutConfig(AppConfig):
    """Holds the privacy notice in memory for the life of the process."""

    name = "checkout"
    notice: notice.Notice

    def ready(self) -> None:
        from checkout import fallbacks, offline, tags
        from quoter import first_page

        first_page.depends_on.append(tags.on_page)
        served.changed.connect(offline.prepare)
        served.changed.connect(fallbacks.prepare)
        # Without a notice that customers can read, nobody can consent to it.
        try:
            self.notice = notice.read(settings.PRIVACY_NOTICE)
        except notice.NoticeInvalid as invalid:
            raise ImproperlyConfigured(f"PRIVACY_NOTICE cannot be shown: {invalid}.") from invalid


def notice_in_force() -> notice.Notice:
    """Return the owner's notice, or else that of PRIVACY_NOTICE."""
    given = served.current().details
    es, en = (given.get(f"{details.NOTICE}_{language}", "") for language in details.LANGUAGES)
    if es or en:
        text = Text(es=es or en, en=en or es)
        return notice.Notice(version=given.get(details.NOTICE_VERSION) or digest(f"{es} {en}")[:10], text=text)
    return cast(CheckoutConfig, apps.get_app_config("checkout")).notice
