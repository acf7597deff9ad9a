"""This module is the raw_log app: streams and their logs as bytes, for whoever verifies them elsewhere."""

from django.apps import AppConfig


class RawLogConfig(AppConfig):
    name = "apps.raw_log"
