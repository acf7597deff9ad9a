"""This module is the live app's place in Django: it finds the sources of every app when the process starts."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class LiveConfig(AppConfig):
    name = "apps.live"
    label = "live"

    def ready(self) -> None:
        import_module("apps.live.shell")
        autodiscover_modules("live")
