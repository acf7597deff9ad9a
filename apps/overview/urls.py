"""This module is the addresses of the first page and of the health check."""

from django.urls import path

from . import views

app_name = "overview"
urlpatterns = [
    path("", views.index, name="index"),
    path("healthz", views.healthz, name="healthz"),
]
