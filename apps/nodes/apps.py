"""This module is the nodes app: links to other servers, what waits on them, and where histories that were written apart disagree."""

from django.apps import AppConfig


class NodesConfig(AppConfig):
    name = "apps.nodes"
