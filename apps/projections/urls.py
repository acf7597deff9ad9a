"""This module is the addresses of the projections pages."""

from django.urls import path

from . import views

app_name = "projections"
urlpatterns = [
    path("", views.index, name="index"),
    path("all/parked-events/", views.parked, name="parked"),  # two parts, so that it hides no projection of that name
    path("<slug:name>/", views.projection, name="projection"),
]
