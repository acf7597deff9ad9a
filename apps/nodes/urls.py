"""This module is the address of the nodes page."""

from django.urls import path

from . import views

app_name = "nodes"
urlpatterns = [path("", views.index, name="index")]
