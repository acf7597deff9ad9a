"""This module is the addresses of the aggregates pages."""

from django.urls import path

from . import views

app_name = "aggregates"
urlpatterns = [
    path("", views.index, name="index"),
    path("<str:context>.<str:type>/", views.type_page, name="type"),
    path("<str:context>.<str:type>/<str:id>/", views.aggregate, name="aggregate"),
]
