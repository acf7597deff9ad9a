"""This module is the addresses of the audit pages."""

from django.urls import path

from . import views

app_name = "audit"
urlpatterns = [
    path("", views.index, name="index"),
    path("<str:name>/", views.stream, name="stream"),
]
