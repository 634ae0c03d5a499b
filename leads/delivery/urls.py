from django.urls import path

from leads.delivery import health

urlpatterns = [path("healthz", health.healthz, name="healthz")]
