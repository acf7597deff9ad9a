"""This module is the brake on guessing passwords: after ten failed tries for a name, or a hundred from an address, signing in waits."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from .models import FailedTry

TRIES_PER_NAME = 10
TRIES_PER_ADDRESS = 100
WINDOW_SECONDS = 15 * 60


def is_throttled(username: str, address: str) -> bool:
    since = timezone.now() - timedelta(seconds=WINDOW_SECONDS)
    recent = FailedTry.objects.filter(at__gt=since)
    name = username[:150].lower()
    return recent.filter(username=name).count() >= TRIES_PER_NAME or recent.filter(address=address).count() >= TRIES_PER_ADDRESS


def record_failure(username: str, address: str) -> None:
    now = timezone.now()
    FailedTry.objects.filter(at__lt=now - timedelta(seconds=WINDOW_SECONDS)).delete()
    FailedTry.objects.create(username=username[:150].lower(), address=address, at=now)


def forget_failures(username: str) -> None:
    """After a sign-in that worked."""
    FailedTry.objects.filter(username=username[:150].lower()).delete()
