"""This module is the search app: the box on every page, which takes whatever a person has in hand."""

from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "apps.search"
