"""This module is the measure of many browsers: what two hundred open pages cost the web process, in processor time and in memory."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from apps.persistence.store import EVENTS

from .background import writing_at
from .console import Console, Visitor, open_console
from .figures import Figure
from .stage import Stage
from .websocket import Socket, open_socket

SOCKETS, OF_EACH_PERSON = 200, 20
EVENTS_PER_SECOND = 20
SECONDS, WARM_UP_SECONDS = 120, 15
CORE_PERCENT, FRAMES_PER_SECOND = 30.0, 4.0
MEGABYTES_PER_HOUR = 60.0
"""By how much the memory of the web process may seem to grow in an hour and still be called flat, measured over two minutes."""


@dataclass(slots=True)
class Seen:
    """How many messages all sockets got."""

    messages: int = 0


async def measure(stage: Stage) -> list[Figure]:
    sockets = stage.times(SOCKETS, least=4)
    async with open_console(stage) as console:
        people = [Visitor(console, link) for link in console.sign_in_links(-(-sockets // OF_EACH_PERSON))]
        looks = [(person, _find_topics(person)) for person in people]
        seen = Seen()
        async with writing_at(stage, EVENTS_PER_SECOND, seed=5), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_look(console, *looks[number // OF_EACH_PERSON], seen, delay=number / sockets))
                for number in range(sockets)
            ]
            try:
                return await _watch(stage, console, seen, sockets)
            finally:
                for task in tasks:
                    task.cancel()


async def _look(console: Console, person: Visitor, topics: list[str], seen: Seen, *, delay: float) -> None:
    """A page that shows `topics` and acknowledges what it gets."""
    await asyncio.sleep(delay)
    socket = await open_socket(console.port, "/live", cookie=person.cookie)
    try:
        socket.say({"type": "open", "topics": topics, "resume": {}, "paused": []})
        while True:
            message = await socket.hear()
            seen.messages += 1
            socket.say({"type": "ack", "n": message["n"]})
    finally:
        await _close(socket)


def _find_topics(person: Visitor) -> list[str]:
    """What the page of the stream's events says that it looks at."""
    status, page, _ = person.get(f"/streams/{EVENTS.stream}/")
    assert status == 200, f"the page of the stream answered {status}"
    return [topic for topic in re.findall(r'data-live-topics="([^"]*)"', page.decode()) if topic]


async def _close(socket: Socket) -> None:
    try:
        await socket.close()
    except ConnectionError:
        return  # the web process was quicker


async def _watch(stage: Stage, console: Console, seen: Seen, sockets: int) -> list[Figure]:
    process = psutil.Process(console.web.pid)
    await asyncio.sleep(WARM_UP_SECONDS * stage.share + 1)
    began, before, messages = time.perf_counter(), process.cpu_times(), seen.messages
    memory = []
    for _ in range(stage.times(SECONDS)):
        memory.append((time.perf_counter() - began, process.memory_info().rss / 1e6))
        await asyncio.sleep(1)
    seconds, after = time.perf_counter() - began, process.cpu_times()
    percent = 100 * (after.user + after.system - before.user - before.system) / seconds
    frames = (seen.messages - messages) / seconds / sockets
    growth = _slope(memory) * 3600
    return [
        Figure(
            what=f"processor time of the web process, {sockets} open browsers",
            measured=f"{percent:.0f} % of a core at {frames:.1f} frames/s each",
            target=f"< {CORE_PERCENT:.0f} % at {FRAMES_PER_SECOND:.0f} frames/s",
            is_met=percent < CORE_PERCENT and frames > 0.8 * FRAMES_PER_SECOND,
            note="each looks at the tail of the events, and at all that its page holds",
        ),
        Figure(
            what=f"memory of the web process, {sockets} open browsers",
            measured=f"{memory[-1][1]:.0f} MB; {growth:+.0f} MB an hour by the slope of {seconds:.0f} s",
            target="flat",
            is_met=growth < MEGABYTES_PER_HOUR,
        ),
    ]


def _slope(points: list[tuple[float, float]]) -> float:
    """The line through the points with the least squares, in megabytes a second."""
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * (value - mean) for at, value in points) / spread if spread else 0.0
