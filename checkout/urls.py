from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page

from checkout import late, offline, quote_page, views
from checkout.paper import page as paper

app_name = "checkout"
# csrf_exempt for the reason in quoter/urls.py: customers have no session, and perhaps no cookie. The form on /privacy/
# changes a cookie, so that view refuses requests from other sites by itself.
urlpatterns = [
    path("checkout/", csrf_exempt(views.checkout), name="checkout"),
    path("quote/", csrf_exempt(views.give_quote), name="give_quote"),
    path("q/<str:reference>/", csrf_exempt(gzip_page(quote_page.quote_page)), name="quote_page"),
    path("q/<str:number>/arrived", quote_page.arrived, name="quote_arrived"),
    path("q/<str:reference>/pdf", csrf_exempt(paper.quote_file), name="quote_file"),
    path("offline/", gzip_page(offline.calculator), name="offline"),
    path("worker.js", offline.worker, name="worker"),
    path("late/", csrf_exempt(late.late), name="late"),
    path("privacy/", csrf_exempt(gzip_page(views.privacy)), name="privacy"),
]
