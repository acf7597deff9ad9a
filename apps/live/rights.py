"""This module is who may hold a live socket: the session as the database has it at this moment, and the person's rights."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils.crypto import constant_time_compare

from .subscriber import Wire

RIGHTS_SECONDS = 3.0

SIGNED_OUT = 4401
NOT_ALLOWED = 4403
TRY_AGAIN = 1011

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A signed-in, active person, and which of the permissions asked for they hold."""

    user_id: object
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """On what an open socket stands: a session, and what its person must be allowed. `user_id` None: whoever has signed in."""

    session_key: str
    permissions: frozenset[str]
    user_id: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a socket is closed."""

    code: int
    reason: str


def judge(claim: Claim, standing: Standing | None) -> Refusal | None:
    """Whether the person's standing still bears the claim; None if it does."""
    if standing is None or claim.user_id not in (None, standing.user_id):
        return Refusal(code=SIGNED_OUT, reason="You are signed out.")
    if missing := claim.permissions - standing.permissions:
        return Refusal(code=NOT_ALLOWED, reason=f"This needs the right {min(missing)}; ask an admin for it.")
    return None


class RightsWatch:
    """Looks every RIGHTS_SECONDS whether the claims of all open sockets of this process still stand: one visit to the database for all."""

    def __init__(self) -> None:
        self._claims: dict[Wire, Claim] = {}

    async def run(self) -> None:
        """Watch until cancelled. Where rights cannot be read, every socket is closed."""
        while True:
            await asyncio.sleep(RIGHTS_SECONDS)
            try:
                await self._look()
            except Exception as error:
                logger.warning("live: rights cannot be read, so the sockets are closed: %s", error)
                for wire in self._claims:
                    wire.close(TRY_AGAIN, "Your rights cannot be read at the moment.")

    def hold(self, wire: Wire, claim: Claim) -> None:
        """Watch the claim of a socket from now on; a newer claim takes the place of the older."""
        self._claims[wire] = claim

    def let_go(self, wire: Wire) -> None:
        """The socket has gone."""
        self._claims.pop(wire, None)

    async def _look(self) -> None:
        """Judge what was claimed before the reading: a claim that was widened meanwhile has just been judged, and by more than was read."""
        claims = dict(self._claims)
        needed: dict[str, set[str]] = defaultdict(set)
        for claim in claims.values():
            needed[claim.session_key] |= claim.permissions
        if not needed:
            return
        standings = await database_sync_to_async(read_standings)(needed)
        for wire, claim in claims.items():
            refusal = judge(claim, standings[claim.session_key])
            if refusal is not None:
                wire.close(refusal.code, refusal.reason)


def read_standings(needed: Mapping[str, Iterable[str]]) -> dict[str, Standing | None]:
    """The standing behind each session, for the permissions asked of it."""
    return {session_key: read_standing(session_key, permissions) for session_key, permissions in needed.items()}


def read_standing(session_key: str, permissions: Iterable[str]) -> Standing | None:
    """The person behind a session as the database has it at this moment; None if signed out, closed, or with a changed password."""
    user = _signed_in(session_key)
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
