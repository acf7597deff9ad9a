"""This module is the address of the routes page; what is asked there stands in its query."""

from django.urls import path

from . import views

app_name = "routes"
urlpatterns = [path("", views.index, name="index")]
