"""This module is the demo's life: commands at a steady rate, through the queue and the workers like anybody's, until it is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random

from apps.persistence.errors import Unavailable
from apps.persistence.events import new_id
from apps.persistence.store import COMMANDS_STREAM, CoreMessage, Store, get_stream
from apps.persistence.work.commands import NOTICES_ROOT, Accepted, send_command

from ..orders import OrderStatus, lines_of, status_of
from . import catalogue, office
from .steps import Step
from .world import MAX_ACTIVE, Living, World

MAX_WAITING_COMMANDS = 100
LOOK_SECONDS = 1.0
Say = Callable[[str], None]


class Life:
    """Sends commands to living orders. `sent` counts them; `limit_reached` tells that the store holds enough events."""

    def __init__(self, store: Store, *, seed: int, rate: float, stop_at: int, say: Say) -> None:
        self.sent = 0
        self.limit_reached = False
        self._store = store
        self._rate = rate
        self._stop_at = stop_at
        self._say = say
        self._random = Random(f"{seed}:life")
        self._world = World()
        self._looked_at = 0.0
        self._is_held_up = False
        self._has_recalled = False

    async def live(self, stop: asyncio.Event, *, count: int | None = None) -> None:
        """Until `stop` is set, `count` commands are sent, or the store holds enough. Goes on by itself after an outage."""
        connection = self._store.connection
        async with AsyncExitStack() as listening:
            await listening.enter_async_context(connection.subscribe("cim.*.sales.order.>", self._on_event))
            await listening.enter_async_context(connection.subscribe(f"{NOTICES_ROOT}.*", self._on_notice))
            for subject in office.SUBJECTS:
                await listening.enter_async_context(connection.subscribe(subject, self._on_office))
            while not stop.is_set() and not self.limit_reached and (count is None or self.sent < count):
                began = time.monotonic()
                try:
                    await self._tick()
                except Unavailable as error:
                    self._say(f"Waiting for the server: {error}")
                    await _pause(stop, LOOK_SECONDS)
                await _pause(stop, 1 / self._rate - (time.monotonic() - began))

    def _on_event(self, message: CoreMessage) -> None:
        """Events of the generation that serves; others fly by while a migration copies them."""
        self._world.on_event(message, self._store.layout)

    def _on_office(self, message: CoreMessage) -> None:
        """Something happened in the organization: what is done next follows, under the same correlation."""
        event = office.read_living(message)
        if event is not None and self._store.layout.parse(message.subject) is not None:
            step = office.follow_up(event)
            if step is not None:
                self._world.follow_ups.append((step, event.correlation))

    async def _tick(self) -> None:
        if await self._must_wait():
            return
        if not self._has_recalled:
            await self._world.recall(self._store)
            self._has_recalled = True
        step, correlation = self._choose()
        command = step.to_command(correlation)
        self._world.note_sent(step, command.id)
        acknowledgement = await send_command(self._store.connection, command)
        assert isinstance(acknowledgement, Accepted), acknowledgement
        self.sent += 1

    async def _must_wait(self) -> bool:
        """Look once a second whether the store holds enough, and whether the workers keep up."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            events = await get_stream(self._store.connection, self._store.layout.stream)
            commands = await get_stream(self._store.connection, COMMANDS_STREAM)
            self._looked_at = time.monotonic()
            self.limit_reached = events.messages >= self._stop_at
            was_held_up, self._is_held_up = self._is_held_up, commands.messages >= MAX_WAITING_COMMANDS
            if self._is_held_up and not was_held_up:
                self._say(f"{commands.messages} commands wait for a worker; the demo waits until some are done. Is a worker running?")
        return self.limit_reached or self._is_held_up

    def _choose(self) -> tuple[Step, str]:
        """What to ask for next: what follows from an order first, then now and then something else, then an order."""
        if self._world.follow_ups:
            return self._world.follow_ups.popleft()
        chance = self._random.random()
        if chance < 0.06:
            return self._something_else(), new_id()
        living = self._world.pick(self._random)
        if living is None or (chance < 0.25 and len(self._world.active) < MAX_ACTIVE):
            new = self._world.begin_order()
            customer = catalogue.customer_ref(self._random.randint(1, catalogue.CUSTOMER_COUNT))
            return Step(new.ref, "create", {"customer": customer.id, "currency": catalogue.CURRENCY}), new.correlation
        return next_step(self._random, living), living.correlation

    def _something_else(self) -> Step:
        kind = self._random.random()
        newcomer = self._world.begin_customer() if kind < 0.4 else None
        if newcomer is not None:
            return newcomer
        if kind < 0.6:
            return office.begin(self._random)
        if kind < 0.75:
            number = self._random.randint(1, catalogue.CUSTOMER_COUNT)
            email = f"customer.{number}.{self._random.randint(1, 999)}@example.org"
            return Step(catalogue.customer_ref(number), "change_email", {"email": email})
        return Step(catalogue.product_ref(self._random.choice(catalogue.skus())), "restock", {"quantity": self._random.randint(10, 500)})

    def _on_notice(self, message: CoreMessage) -> None:
        refused = self._world.on_notice(message)
        if refused is not None:
            self._say(f"A command was refused. {refused}")


def next_step(rng: Random, living: Living) -> Step:
    """What an order is asked next, by where it stands: filled, addressed, submitted, processed, completed; some are cancelled."""
    ref, state, chance = living.ref, living.state, rng.random()
    status = status_of(state)
    if chance < 0.03:
        return Step(ref, "cancel", catalogue.any_reason(rng))
    if status is OrderStatus.SUBMITTED:
        return Step(ref, "start_processing", {})
    if status is OrderStatus.PROCESSING:
        return Step(ref, "complete", {})
    return _next_of_draft(rng, living, chance)


def _next_of_draft(rng: Random, living: Living, chance: float) -> Step:
    ref, state, lines = living.ref, living.state, lines_of(living.state)
    if not lines or chance < 0.5:
        return Step(ref, "add_item", catalogue.any_item(rng))
    if chance < 0.6:
        sku = rng.choice(sorted(lines))
        return Step(ref, "remove_item", {"sku": sku, "quantity": rng.randint(1, lines[sku].pieces)})
    if chance < 0.66:
        return Step(ref, "apply_discount", catalogue.any_discount(rng))
    if not state["address"]:
        return Step(ref, "set_address", catalogue.any_address(rng))
    return Step(ref, "submit", {})


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    except TimeoutError:
        return
