from django.contrib import admin
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from leads.desk.owner import preview, views

_staff = admin.site.admin_view

urlpatterns = [
    path("prices/", _staff(views.prices), name="owner_prices"),
    path("shop/", _staff(views.details), name="owner_shop"),
    # They change nothing, and the calculator's forms have no CSRF token.
    path("preview/", _staff(csrf_exempt(preview.page)), name="owner_preview"),
    path("preview/summary/", _staff(csrf_exempt(preview.summary)), name="owner_preview_summary"),
    path("preview/brand/<str:name>", _staff(preview.piece), name="owner_preview_brand"),
]
