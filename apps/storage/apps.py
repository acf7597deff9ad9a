"""This module is the storage app: key-value buckets, object stores and read models of any origin."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    name = "apps.storage"
