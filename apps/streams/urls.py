"""This module is the addresses of the streams pages; every state of a page is in its address."""

from django.urls import path

from . import views

app_name = "streams"
urlpatterns = [
    path("", views.index, name="index"),
    path("<str:name>/", views.stream, name="stream"),
    path("<str:name>/subjects/", views.subjects, name="subjects"),
    path("<str:name>/consumers/", views.consumers, name="consumers"),
    path("<str:name>/configuration/", views.configuration, name="configuration"),
    path("<str:name>/<str:sequence>/", views.event, name="event"),
    path("<str:name>/<str:sequence>/block", views.block, name="block"),
    path("<str:name>/<str:sequence>/<slug:tab>/", views.event, name="event_tab"),
]
