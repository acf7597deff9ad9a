"""This module is the streams app: every stream, its messages and its consumers."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "apps.streams"
