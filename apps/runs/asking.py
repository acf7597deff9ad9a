"""This module is asking for a run: the command is sent, and what the workers make of it is heard for some seconds.

A refusal is said once, in core NATS. This process listens from its first question on and remembers, so that the page of a run that
never came to be can say why.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakSet

from apps.persistence.encoding import Value
from apps.persistence.errors import EncodingError, InvalidInput, NotFound
from apps.persistence.events import new_id
from apps.persistence.registry import Command
from apps.persistence.store import COMMANDS_STREAM, CONSOLE, Connection, CoreMessage, Store, get_last, subjects_matching
from apps.persistence.work.commands import COMMANDS_ROOT, NOTICES_ROOT, Acknowledgement, Rejected, read_notice, send_command
from apps.persistence.work.run import run_ref
from apps.persistence.work.trouble import TROUBLES_ROOT, read_trouble

from .plans import SignedPlan

ANSWER_SECONDS = 2.0
STORED_SECONDS = 1.0
STORED_LOOK_SECONDS = 0.02
DRY_RUN_REASON = "To see what it would do."
REMEMBERED = 500
TROUBLE_SECONDS = 10.0
"""So long after it was last heard, what keeps a run from going on is taken to have passed."""

_refused: OrderedDict[str, str] = OrderedDict()
_troubles: OrderedDict[str, tuple[str, float]] = OrderedDict()
_listening: WeakSet[Connection] = WeakSet()
_waiting: dict[str, asyncio.Event] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, why, and by which door where it is no page; `limit` is the most a second, `retry_of` the run it does again."""

    actor: str
    reason: str
    via: str = ""
    limit: int = 0
    retry_of: str = ""


async def request_run(store: Store, plan: SignedPlan, asking: Asking, *, is_dry_run: bool = False) -> Acknowledgement:
    """Ask for the run of a confirmed plan, or for its dry run. Rejected with the reason if a worker refuses it within seconds.

    The command has the run's id, so asking twice for the same plan asks once. Raises Unavailable.
    """
    payload: dict[str, Value] = {
        "operation": plan.operation,
        "parameters": plan.parameters,
        "reason": asking.reason,
        "saw": plan.saw,
        "dry_run": is_dry_run,
        "limit": asking.limit,
        "via": asking.via,
        "retry_of": asking.retry_of,
    }
    run_id = plan.dry_run_id if is_dry_run else plan.run_id
    return await _ask(store, _command(run_id, "request", payload, asking.actor, command_id=run_id))


async def control_run(store: Store, run_id: str, word: str, *, actor: str, via: str = "", limit: int | None = None) -> Acknowledgement:
    """Ask for `pause`, `resume`, `cancel` or `limit` of a run. Rejected if a worker refuses it within seconds. Raises Unavailable."""
    payload: dict[str, Value] = {"via": via} if limit is None else {"via": via, "limit": limit}
    return await _ask(store, _command(run_id, word, payload, actor, command_id=new_id()))


async def listen(connection: Connection) -> None:
    """Remember from now on what workers refuse. The subscription lives as long as the connection."""
    if connection not in _listening:
        _listening.add(connection)
        await connection.subscribe_raw(f"{NOTICES_ROOT}.*", lambda _subject, _reply, data, _headers: _note(data))
        await connection.subscribe_raw(f"{TROUBLES_ROOT}.*", lambda _subject, _reply, data, _headers: _note_trouble(data))


def refusal_of(command_id: str) -> str | None:
    """Why a command was refused, if this process has heard it."""
    return _refused.get(command_id)


def trouble_of(run_id: str) -> str:
    """What keeps a run from going on, if this process has heard of it within seconds."""
    reason, heard_at = _troubles.get(run_id, ("", 0.0))
    return reason if time.monotonic() - heard_at < TROUBLE_SECONDS else ""


async def is_queued(connection: Connection, run_id: str) -> bool:
    """Whether the request of this run still waits for a worker."""
    return await get_last(connection, COMMANDS_STREAM, f"{COMMANDS_ROOT}.console.run.{run_id}.request") is not None


async def waiting_requests(connection: Connection) -> tuple[str, ...]:
    """The runs whose requests no worker has taken up yet, the oldest first: their ids sort by time."""
    try:
        subjects = await subjects_matching(connection, COMMANDS_STREAM, f"{COMMANDS_ROOT}.console.run.*.request")
    except NotFound:
        return ()
    return tuple(sorted(subject.split(".")[4] for subject in subjects))


def _command(run_id: str, name: str, payload: dict[str, Value], actor: str, *, command_id: str) -> Command:
    return Command(id=command_id, aggregate=run_ref(run_id), name=name, payload=payload, actor=actor, correlation=command_id)


async def _ask(store: Store, command: Command) -> Acknowledgement:
    await listen(store.connection)
    settled = _waiting[command.id] = asyncio.Event()
    events, told = f"cim.console.run.{command.aggregate.id}.>", list[str]()

    def hear(message: CoreMessage) -> None:
        told.append(message.subject)
        settled.set()

    try:
        async with store.connection.subscribe(events, hear):
            answer = await send_command(store.connection, command)
            if isinstance(answer, Rejected):
                return answer
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await settled.wait()
    finally:
        del _waiting[command.id]
    await _wait_until_stored(store.connection, told)
    refusal = refusal_of(command.id)
    return answer if refusal is None else Rejected(command_id=command.id, reason=refusal)


async def _wait_until_stored(connection: Connection, told: Sequence[str]) -> None:
    """An event is told of before it is stored, and what the person looks at next must show it; one that is refused is given up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STORED_SECONDS):
            for subject in told[:1]:
                while await get_last(connection, CONSOLE.stream, subject) is None:  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(STORED_LOOK_SECONDS)


def _note(data: bytes) -> None:
    try:
        notice = read_notice(data)
    except (EncodingError, InvalidInput):
        return
    _refused[notice.command_id] = notice.reason
    while len(_refused) > REMEMBERED:
        _refused.popitem(last=False)
    if notice.command_id in _waiting:
        _waiting[notice.command_id].set()


def _note_trouble(data: bytes) -> None:
    with suppress(InvalidInput):
        run_id, reason = read_trouble(data)
        _troubles[run_id] = (reason, time.monotonic())
        while len(_troubles) > REMEMBERED:
            _troubles.popitem(last=False)
