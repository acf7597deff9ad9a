"""This module is the address of the theme switch."""

from django.urls import path

from . import views

app_name = "display"
urlpatterns = [path("theme", views.theme, name="theme")]
