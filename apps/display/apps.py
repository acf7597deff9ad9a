"""This module is the display app: how every page writes numbers, times and identifiers."""

from django.apps import AppConfig


class DisplayConfig(AppConfig):
    name = "apps.display"
