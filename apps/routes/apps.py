"""This module is the routes app: what happens to a message by its subject, and who may send it."""

from django.apps import AppConfig


class RoutesConfig(AppConfig):
    name = "apps.routes"
