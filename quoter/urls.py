from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page

from quoter import brand, manifest, share, views

app_name = "quoter"
# csrf_exempt: a customer has no session that another site's form could use, and many come with browsers inside apps,
# which block the cookie that CSRF tokens need.
# Customers' pages travel compressed: they hold no secret whose length an attacker could learn by asking for them with
# guesses. Staff's pages, which hold CSRF tokens, do not.
urlpatterns = [
    path("", csrf_exempt(gzip_page(views.calculator)), name="calculator"),
    path("summary/", csrf_exempt(gzip_page(views.summary)), name="summary"),
    path("share/<str:name>", share.picture, name="share"),
    path("brand/<str:name>", gzip_page(brand.piece), name="brand"),
    path("manifest.webmanifest", manifest.manifest, name="manifest"),
    path("robots.txt", views.robots, name="robots"),
    path("sitemap.xml", views.sitemap, name="sitemap"),
]
