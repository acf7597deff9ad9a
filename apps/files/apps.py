"""This module is the files app: what runs have written for people to take away, and what people have brought."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "apps.files"
