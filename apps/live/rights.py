"""This module is who may hold a live socket: the session as the database has it at this moment, and the person's rights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils.crypto import constant_time_compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A signed-in, active person, and which of the permissions asked for they hold."""

    user_id: object
    permissions: frozenset[str]


def read_standing(session_key: str | None, permissions: Iterable[str]) -> Standing | None:
    """The person behind a session as the database has it at this moment; None if signed out, closed, or with a changed password."""
    user = _signed_in(session_key) if session_key else None
    if user is None or not user.is_active:
        return None
    return Standing(user_id=user.pk, permissions=frozenset(name for name in permissions if user.has_perm(name)))


def _signed_in(session_key: str) -> Any:
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if session.get(SESSION_KEY) is None or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(session[BACKEND_SESSION_KEY]).get_user(session[SESSION_KEY])
    if user is None or not constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return user
