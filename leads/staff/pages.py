from django.conf import settings
from django.http import HttpRequest


def is_staff_page(request: HttpRequest) -> bool:
    """Whether a page has a session. No other page has one, so no other may ask who its visitor is."""
    return request.path_info.startswith(settings.SESSION_COOKIE_PATH)
