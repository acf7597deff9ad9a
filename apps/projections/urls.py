"""This module is the addresses of the projections pages."""

from django.urls import path

from . import views

app_name = "projections"
urlpatterns = [
    path("", views.index, name="index"),
    path("parked-events/", views.parked, name="parked"),
    path("<slug:name>/", views.projection, name="projection"),
]
