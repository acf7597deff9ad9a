"""This module is what the database keeps about signing in beside Django's own people: links that work once, failed tries, tokens, notes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models


class SignInLink(models.Model):
    """A link that signs in once. Only the digest of its token is kept."""

    token_digest = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sign_in_links")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"sign-in link for {self.person or 'the first admin'}, until {self.expires_at:%H:%M:%S}"


class FailedTry(models.Model):
    """One sign-in that failed, kept for as long as it counts."""

    username = models.CharField(max_length=150, db_index=True)
    address = models.CharField(max_length=45, db_index=True)
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.username} from {self.address} at {self.at:%H:%M:%S}"


class AccessToken(models.Model):
    """A person's key for programs. Only the digest of its secret is kept.

    It may do what the person may; with a `role` no more than that role, with `permissions` only those.
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    secret_digest = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=20, blank=True)
    permissions = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"token {self.name} of {self.person}, until {self.expires_at:%Y-%m-%d}"


class PendingNote(models.Model):
    """What somebody changed about a person, until a worker can store it in the operator trail."""

    command_id = models.CharField(max_length=36, unique=True)
    actor = models.CharField(max_length=150)
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.payload['event']} of {self.payload['person']} by {self.actor}"
