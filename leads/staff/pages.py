from django.conf import settings
from django.http import HttpRequest


def is_staff_page(request: HttpRequest) -> bool:
    """Return whether a page is below the staff path. Only these have a session, so only these may read the user."""
    return request.path_info.startswith(settings.SESSION_COOKIE_PATH)
