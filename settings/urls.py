from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("checkout.urls")),
    path("", include("quoter.urls")),
    path("admin/", include("leads.staff.urls")),  # first, because it replaces the admin's login and logout
    path("admin/", include("leads.desk.owner.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "checkout.fallbacks.bad_request"
handler403 = "checkout.fallbacks.permission_denied"
handler404 = "checkout.fallbacks.not_found"
handler429 = "leads.staff.attempts.too_many"  # of allauth
handler500 = "checkout.fallbacks.server_error"
