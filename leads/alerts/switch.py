"""Views for a staff member's browser: switch alerts on and off, install the inbox, show alerts while it is closed."""

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from leads.alerts import push
from leads.models import Alert, Recipient
from quoter.shop.values import shop

# Read at the start, because the file may be of another release later.
_WORKER_SCRIPT = (settings.BASE_DIR / "static" / "leads" / "worker.js").read_bytes()


@require_POST
def subscription(request: HttpRequest) -> HttpResponse:
    """Store a browser's push subscription, or delete it when `off` is sent. Return 204, or 422 for an invalid one.

    Fields: endpoint, p256dh, auth, as the browser gives them. A subscription that is sent again only gets the user who
    is logged in now.
    """
    user = _allowed(request)
    endpoint = request.POST.get("endpoint", "")
    if "off" in request.POST:
        Recipient.objects.filter(address=endpoint, user=user).delete()
        return HttpResponse(status=204)
    keys = {"p256dh": request.POST.get("p256dh", ""), "auth": request.POST.get("auth", "")}
    try:
        push.check(endpoint=endpoint, **keys)
    except push.InvalidSubscription as fault:
        return HttpResponse(str(fault), status=422, content_type="text/plain")
    Recipient.objects.update_or_create(
        address=endpoint,
        defaults={**keys, "user": user},
        create_defaults={**keys, "user": user, "told_up_to": Alert.last_id(), "next_try_at": timezone.now()},
    )
    return HttpResponse(status=204)


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """Return the service worker's script. A worker controls only pages below its own path, so static/ would not do."""
    _allowed(request)
    return HttpResponse(_WORKER_SCRIPT, content_type="text/javascript; charset=utf-8")


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Return the manifest of the inbox as an app, which an iPhone needs to show alerts.

    It needs no login, because browsers request it without cookies.
    """
    png = {"type": "image/png", "purpose": "any"}
    large = {**png, "src": static("leads/icon-512.png"), "sizes": "512x512"}
    inbox = reverse("admin:leads_lead_changelist")
    app = {
        "id": inbox,
        "name": shop.BUSINESS_NAME,
        "short_name": shop.BUSINESS_NAME,
        "lang": settings.LANGUAGE_CODE,
        "start_url": inbox,
        "scope": reverse("admin:index"),  # with the login
        "display": "standalone",
        "theme_color": "#0b6b4f",
        "background_color": "#ffffff",
        "icons": [
            {"src": static("favicon.svg"), "type": "image/svg+xml", "sizes": "any"},
            {**png, "src": static("leads/icon-192.png"), "sizes": "192x192"},
            large,
            {**large, "purpose": "maskable"},
        ],
    }
    return JsonResponse(app, content_type="application/manifest+json")


def _allowed(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User) or not user.has_perm("leads.view_lead"):
        raise PermissionDenied
    return user
