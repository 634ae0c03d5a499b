from django.urls import path

from checkout import views

app_name = "checkout"
urlpatterns = [
    path("quote/", views.give_quote, name="give_quote"),
    path("q/<str:reference>/", views.quote_page, name="quote_page"),
    path("checkout/", views.checkout, name="checkout"),
    path("privacy/", views.privacy, name="privacy"),
]
