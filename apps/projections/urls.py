"""This module is the addresses of the projections pages."""

from django.urls import URLPattern

app_name = "projections"
urlpatterns: list[URLPattern] = []
