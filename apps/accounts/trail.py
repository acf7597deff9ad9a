"""This module is writing down who changed whose access: kept in SQL with the change itself, then sent to the workers, which store it.

What cannot be sent while NATS is away stays here and is sent with the next change, or when the page of people is opened. A note has the
id of its command, so sending it twice stores it once.
"""

from __future__ import annotations

import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.connection import ask
from apps.persistence.encoding import Value
from apps.persistence.errors import PersistenceError
from apps.persistence.events import new_id
from apps.persistence.registry import Command
from apps.persistence.store import Store
from apps.persistence.work.accounts import LETTERS, NOTE, account_ref
from apps.persistence.work.commands import Rejected, send_command

from .models import PendingNote

AT_ONCE = 100
COMMAND_LINE = "the command line"

logger = logging.getLogger("cimadmin.people")


def note(actor: str, event: str, person: User, **facts: str) -> None:
    """Write down what `actor` did. Call it in the transaction of the change; it is sent once that is committed."""
    payload = {"event": event, "person": person.username, "at": timezone.now().isoformat(timespec="seconds"), **facts}
    shortened = {name: value[:LETTERS] for name, value in payload.items()}
    PendingNote.objects.create(command_id=new_id(), actor=actor, payload=shortened)
    logger.info("%s: %s of %s %s", actor, event, person.username, facts or "")
    transaction.on_commit(send_pending)


def send_pending() -> int:
    """Send what waits, the oldest first; how many notes wait still, because NATS does not answer."""
    waiting = list(PendingNote.objects.order_by("pk")[:AT_ONCE])
    try:
        sent = ask(_send_all, [_command(one) for one in waiting]) if waiting else 0
    except PersistenceError as error:
        logger.warning("%d notes about people wait to be stored: %s", len(waiting), error)
        return PendingNote.objects.count()
    PendingNote.objects.filter(pk__in=[one.pk for one in waiting[:sent]]).delete()
    return PendingNote.objects.count()


def _command(pending: PendingNote) -> Command:
    payload: dict[str, Value] = dict(pending.payload)
    ref = account_ref(str(payload["person"]))
    return Command(id=pending.command_id, aggregate=ref, name=NOTE, payload=payload, actor=pending.actor, correlation=pending.command_id)


async def _send_all(store: Store, commands: list[Command]) -> int:
    """How many are settled. Raises Unavailable where none is."""
    for done, command in enumerate(commands):
        try:
            answer = await send_command(store.connection, command)
        except PersistenceError:
            if not done:
                raise
            return done
        if isinstance(answer, Rejected):  # it never can be stored; the log keeps it
            logger.error("a note about %s cannot be stored: %s", command.payload.get("person"), answer.reason)
    return len(commands)
