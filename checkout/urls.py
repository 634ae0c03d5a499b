from django.urls import path
from django.views.decorators.gzip import gzip_page

from checkout import late, offline, quote_page, views

app_name = "checkout"
urlpatterns = [
    path("quote/", views.give_quote, name="give_quote"),
    path("q/<str:reference>/", gzip_page(quote_page.quote_page), name="quote_page"),
    path("checkout/", views.checkout, name="checkout"),
    path("offline/", gzip_page(offline.calculator), name="offline"),
    path("worker.js", offline.worker, name="worker"),
    path("late/", late.late, name="late"),
    path("privacy/", gzip_page(views.privacy), name="privacy"),
]
