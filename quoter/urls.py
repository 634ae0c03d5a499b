from django.urls import path

from quoter import views

app_name = "quoter"
urlpatterns = [
    path("", views.calculator, name="calculator"),
    path("summary/", views.summary, name="summary"),
    path("robots.txt", views.robots, name="robots"),
    path("sitemap.xml", views.sitemap, name="sitemap"),
]
