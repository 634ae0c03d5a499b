from typing import cast

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from checkout import notice
from quoter.shop import served


class CheckoutConfig(AppConfig):
    """Holds the privacy notice in memory for the life of the process."""

    name = "checkout"
    notice: notice.Notice

    def ready(self) -> None:
        from checkout import offline

        served.changed.connect(offline.prepare)
        # Without a notice that customers can read, nobody can consent to it.
        try:
            self.notice = notice.read(settings.PRIVACY_NOTICE)
        except notice.NoticeInvalid as invalid:
            raise ImproperlyConfigured(f"PRIVACY_NOTICE cannot be shown: {invalid}.") from invalid


def notice_in_force() -> notice.Notice:
    return cast(CheckoutConfig, apps.get_app_config("checkout")).notice
