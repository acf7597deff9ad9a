"""This module is the api app: the operations and their runs for programs, as JSON."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "apps.api"
