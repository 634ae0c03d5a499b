from django.contrib import admin
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from leads.desk.owner import photo, preview, start, views

_staff = admin.site.admin_view

urlpatterns = [
    path("", _staff(start.index)),  # in place of the admin's own, which it shows
    path("start/", _staff(start.page), name="owner_start"),
    path("prices/", _staff(views.prices), name="owner_prices"),
    path("shop/", _staff(views.details), name="owner_shop"),
    path("shop/photo/", _staff(photo.upload), name="owner_shop_photo"),
    # They change nothing, and the calculator's forms have no CSRF token.
    path("preview/", _staff(csrf_exempt(preview.page)), name="owner_preview"),
    path("preview/summary/", _staff(csrf_exempt(preview.summary)), name="owner_preview_summary"),
    path("shop/photo/draft.webp", _staff(photo.drafted), name="owner_photo"),
    path("preview/brand/<str:name>", _staff(preview.piece), name="owner_preview_brand"),
]
