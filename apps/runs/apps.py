"""This module is the runs app: planning, starting and following operations."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "apps.runs"
