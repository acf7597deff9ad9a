"""This module is the addresses of the streams pages."""

from django.urls import URLPattern

app_name = "streams"
urlpatterns: list[URLPattern] = []
