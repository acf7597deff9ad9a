"""This module is the audit app: verdicts, proofs and evidence."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "apps.audit"
