"""This module is the addresses of the evolution pages."""

from django.urls import path

from . import views

app_name = "evolution"
urlpatterns = [
    path("", views.index, name="index"),
    path("<str:context>.<str:aggregate>.<str:type>/", views.event_type, name="event_type"),
]
