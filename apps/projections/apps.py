"""This module is the projections app: how far each is, why it is behind, and what mends it."""

from django.apps import AppConfig


class ProjectionsConfig(AppConfig):
    name = "apps.projections"
