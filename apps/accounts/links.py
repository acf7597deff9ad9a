"""This module is sign-in links: they work once, for 15 minutes, and are the way in for the first admin and for new people."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from .models import SignInLink
from .people import ensure_first_admin

LINK_SECONDS = 15 * 60
_TOKEN_BYTES = 32


def create_sign_in_link(person: User | None = None) -> str:
    """The path of a new link. Without a person it signs in the user `admin`, who is created when it is first used."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = timezone.now()
    SignInLink.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    SignInLink.objects.create(token_digest=_digest(token), person=person, expires_at=now + timedelta(seconds=LINK_SECONDS))
    return reverse("accounts:link", args=[token])


@transaction.atomic
def use_sign_in_link(token: str) -> User | None:
    """The person that the link signs in, and the link is used up; None where it is unknown, used, expired or the person inactive."""
    now = timezone.now()
    unused = SignInLink.objects.filter(token_digest=_digest(token), used_at=None, expires_at__gt=now)
    if not unused.update(used_at=now):  # one statement, so of two requests at once only one gets in
        return None
    link = SignInLink.objects.select_related("person").get(token_digest=_digest(token))
    person = link.person or ensure_first_admin()
    return person if person.is_active else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
