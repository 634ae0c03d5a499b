from django.urls import path

from leads import health

urlpatterns = [path("healthz", health.healthz, name="healthz")]
