"""This module is the addresses of the audit pages."""

from django.urls import path

from . import heads_views, log_views, views

app_name = "audit"
urlpatterns = [
    path("", views.index, name="index"),
    path("trail/", views.trail, name="trail"),
    path("<str:name>/", views.stream, name="stream"),
    path("<str:name>/report", views.report, name="report"),
    path("<str:name>/checkpoint", log_views.checkpoint, name="checkpoint"),
    path("<str:name>/heads", heads_views.manifest, name="heads"),
    path("<str:name>/judge/", log_views.judge, name="judge"),
]
