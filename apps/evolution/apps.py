"""This module is the evolution app: schemas of events and what reads them, migrations, generations of streams."""

from django.apps import AppConfig


class EvolutionConfig(AppConfig):
    name = "apps.evolution"
