"""This module is the addresses of the aggregates pages."""

from django.urls import URLPattern

app_name = "aggregates"
urlpatterns: list[URLPattern] = []
