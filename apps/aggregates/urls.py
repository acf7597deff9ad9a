"""This module is the addresses of the aggregates pages."""

from django.urls import path

from . import commands, queries, views

app_name = "aggregates"
urlpatterns = [
    path("", views.index, name="index"),
    path("<str:context>.<str:type>/", views.type_page, name="type"),
    path("<str:context>.<str:type>/<str:id>/", views.aggregate, name="aggregate"),
    path("<str:context>.<str:type>/ask/<str:name>/", queries.query, name="query"),
    path("<str:context>.<str:type>/new/<str:name>/", commands.create, name="create"),
    path("<str:context>.<str:type>/<str:id>/commands/<str:name>/", commands.command, name="command"),
    path("<str:context>.<str:type>/<str:id>/sent/<str:command_id>/", commands.sent, name="sent"),
]
