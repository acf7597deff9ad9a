"""This module is the overview app: the first page, which answers what is behind, broken or running."""

from django.apps import AppConfig


class OverviewConfig(AppConfig):
    name = "apps.overview"
