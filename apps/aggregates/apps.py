"""This module is the aggregates app: an aggregate's history, and its state at any version."""

from django.apps import AppConfig


class AggregatesConfig(AppConfig):
    name = "apps.aggregates"
