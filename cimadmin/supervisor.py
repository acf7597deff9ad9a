"""This module is the supervisor of `up`: it starts programs, prefixes what they print, starts again what ended, and ends them all."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.persistence.errors import Unavailable
from apps.persistence.store.child import start_child, stop_child
from apps.persistence.store.embedded import EmbeddedServer

BACK_OFF_SECONDS = (1, 2, 4, 8, 16, 30)
STEADY_SECONDS = 60  # a program that ran this long has earned a quick restart
LOOK_SECONDS = 0.2
STOP_SECONDS = 8
NAME_WIDTH = 7

_printing = threading.Lock()


def say(text: str, *, source: str = "up") -> None:
    """Print whole lines, each after the name of whoever says it, from any thread."""
    prefix = f"{source:<{NAME_WIDTH}}| " if source else ""
    with _printing:
        for line in text.splitlines():
            sys.stdout.write(f"{prefix}{line}\n")
        sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to keep running; `is_ready` says whether it answers."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]


@dataclass(slots=True)
class Running:
    """A program and its present process, or the time at which it is started again."""

    program: Program
    folder: Path
    child: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0
    printer: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        program = self.program
        self.child = start_child(program.command, output=subprocess.PIPE, environment=program.environment, folder=self.folder)
        self.started_at = time.monotonic()
        self.printer = threading.Thread(target=_print_output, args=(program.name, self.child), daemon=True)
        self.printer.start()

    def look(self) -> None:
        """Note that the process ended, or start it again when its time has come."""
        now = time.monotonic()
        if self.child is not None and self.child.poll() is not None:
            self.failures = 0 if now - self.started_at > STEADY_SECONDS else self.failures
            pause = BACK_OFF_SECONDS[min(self.failures, len(BACK_OFF_SECONDS) - 1)]
            say(f"{self.program.name} ended ({_how(self.child.returncode)}); starting it again in {pause} s.")
            self.failures += 1
            self.child, self.restart_at = None, now + pause
        elif self.child is None and now >= self.restart_at:
            self.start()

    def finish(self, deadline: float) -> None:
        """Wait for a process that was asked to end, and end it when the deadline has passed."""
        if self.child is not None:
            stop_child(self.child, seconds=max(0.0, deadline - time.monotonic()))
        if self.printer is not None:
            self.printer.join(timeout=1)


class Supervisor:
    """Keeps an embedded server (where there is one) and some programs running until `stop`."""

    def __init__(self, folder: Path, server: EmbeddedServer | None, stopping: threading.Event) -> None:
        """`folder` is where the programs run; `stopping` is set when somebody wants the end."""
        self.folder = folder
        self.server = server
        self.stopping = stopping
        self.running: list[Running] = []

    def start(self, program: Program) -> None:
        running = Running(program, self.folder)
        self.running.append(running)
        running.start()

    def wait_until_ready(self, *names: str, seconds: float) -> list[str]:
        """Wait for these programs, keeping everything running meanwhile. Returns the names of those that were not ready in time."""
        waiting = [running.program for running in self.running if running.program.name in names]
        deadline = time.monotonic() + seconds
        while waiting and not self.stopping.is_set() and time.monotonic() < deadline:
            self.look()
            waiting = [program for program in waiting if not program.is_ready()]
            if waiting:
                self.stopping.wait(LOOK_SECONDS)
        return [program.name for program in waiting]

    def keep_running(self) -> None:
        """Return when `stopping` is set."""
        while not self.stopping.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        if self.server is not None and not self.server.is_running:
            say("nats-server ended; starting it again.")
            try:
                self.server.start()
            except Unavailable as error:
                say(str(error))
        for running in self.running:
            running.look()

    def stop(self) -> None:
        """End the programs, all at once, then the server, so that nobody loses it while still writing."""
        for running in self.running:
            if running.child is not None and running.child.poll() is None:
                running.child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for running in self.running:
            running.finish(deadline)
        if self.server is not None:
            self.server.stop()

    def kill(self) -> None:
        """Hurry a `stop` that is under way, from a signal handler: nothing here waits."""
        for running in self.running:
            if running.child is not None and running.child.returncode is None:
                running.child.kill()


def _print_output(name: str, child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    with child.stdout as output:
        for line in output:
            say(line.decode(errors="replace").rstrip(), source=name)


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
