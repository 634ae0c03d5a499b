"""GET /manifest.webmanifest: the calculator as an app on a customer's home screen, with the shop's name and colour."""

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from quoter import brand, palette, share, site
from quoter.language import carried, of_page
from quoter.shop.values import shop

SVG_TYPE = "image/svg+xml"


@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    logo = brand.logo()
    icon = {"src": static("favicon.svg"), "type": SVG_TYPE, "sizes": "any"}
    if logo:
        icon = {"src": brand.address_of(logo), "type": logo.content_type, "sizes": "any"}
    drawn = {"src": share.icon_address(site.language()), "type": "image/png", "sizes": "180x180"}
    app = {
        "id": reverse("quoter:calculator"),
        "start_url": carried(reverse("quoter:calculator"), request),
        "name": shop.BUSINESS_NAME,
        "short_name": shop.BUSINESS_NAME,
        "lang": of_page().tag,
        "display": "minimal-ui",
        "theme_color": shop.BRAND_COLOR or palette.COLOR,
        "background_color": palette.DAY.paper,
        "icons": [icon, *([drawn] if drawn["src"] else [])],
    }
    return JsonResponse(app, content_type="application/manifest+json")
