"""This module is the addresses of the files pages."""

from django.urls import path

from . import views

app_name = "files"
urlpatterns = [
    path("", views.index, name="index"),
    path("upload/", views.upload, name="upload"),
    path("verifiers/<str:name>", views.verifier, name="verifier"),
    path("<str:name>/download", views.download, name="download"),
]
