"""This module is the console as people run it, for the browser tests: a nats-server, a web process and a worker, each to stop and start."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from apps.domain.demo.run import DemoOptions, play_beginning
from apps.domain.demo.tampered import write_tampered
from apps.persistence.store import Store, ensure_home, open_store
from apps.persistence.store.child import kill_child, start_child, stop_child
from apps.persistence.store.embedded import EmbeddedServer
from cimadmin.up import answers, secret_key_file, usable_port, variables_of

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 120
SEED = 7


class RunningConsole:
    """A console on its own nats-server. `domains` are the packages of CIM_DOMAINS, found on `python_path` beside the repository.

    `observed` are servers that it looks at beside its own, by name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        domains: str = "apps.domain",
        python_path: Path | None = None,
        observed: Mapping[str, EmbeddedServer] | None = None,
    ) -> None:
        self.nats = EmbeddedServer(folder / "nats")
        self.folder = folder
        self.port = 0
        self._domains = domains
        self._python_path = python_path
        self._observed = observed or {}
        self._door: subprocess.Popen[str] | None = None
        self._web: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """All its programs start at the same time; each takes a second of processor time to import what it needs."""
        self.nats.start()
        self._door = self._open_door()
        self._begin_worker()
        self.port = usable_port(0)
        self._begin_web()
        said = self._tell_door("")
        assert said == "open", said
        self._wait(self._ready_file.exists)
        self._wait(lambda: answers(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        if self._door is not None:
            self._door.communicate()
        self.stop_web()
        self.stop_worker()
        self.nats.stop()

    def start_web(self) -> None:
        self._begin_web()
        self._wait(lambda: answers(self.port))

    def stop_web(self) -> None:
        if self._web is not None:
            stop_child(self._web)
            self._web = None

    def start_worker(self) -> None:
        self._begin_worker()
        self._wait(self._ready_file.exists)

    def stop_worker(self) -> None:
        if self._worker is not None:
            stop_child(self._worker)
            self._worker = None

    def kill_worker(self) -> None:
        if self._worker is not None:
            kill_child(self._worker)
            self._worker = None

    def sign_in_link(self, name: str, role: str) -> str:
        """The address of a link, good once, by which `name` comes in with `role`."""
        return self.url + self._tell_door(f"{name} {role}\n")

    def do(self, action: Callable[[Store], Awaitable[object]], server: EmbeddedServer | None = None) -> None:
        """Do something to a store, as a program beside the console would; in a thread, as Playwright's own loop runs in this one."""

        async def connect() -> None:
            async with open_store((server or self.nats).settings("worker")) as store:
                await ensure_home(store.connection)
                await action(store)

        with ThreadPoolExecutor(max_workers=1) as beside:
            beside.submit(lambda: asyncio.run(connect())).result()

    def fill(self) -> None:
        """The demo's first events and its tampered stream."""

        async def play(store: Store) -> None:
            await play_beginning(store, DemoOptions(seed=SEED))
            await write_tampered(store.connection, SEED)

        self.do(play)

    @property
    def _ready_file(self) -> Path:
        return self.folder / "worker.ready"

    def _begin_web(self) -> None:
        daphne = (sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0", "cimadmin.asgi:application")
        self._web = self._start(daphne, "web")

    def _begin_worker(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        self._worker = self._start((sys.executable, "manage.py", "worker"), "worker")

    def _open_door(self) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "tests.browser.door")
        with (self.folder / "console.log").open("ab") as log:
            pipe = subprocess.PIPE
            return subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=log, env=self._environment("web"), cwd=REPOSITORY, text=True, bufsize=1
            )

    def _tell_door(self, line: str) -> str:
        """What it answers."""
        assert self._door is not None
        assert self._door.stdin is not None
        assert self._door.stdout is not None
        self._door.stdin.write(line)
        self._door.stdin.flush()
        answer = self._door.stdout.readline().strip()
        assert answer, (self.folder / "console.log").read_text()[-3000:]
        return answer

    def _start(self, command: tuple[str, ...], user: str) -> subprocess.Popen[bytes]:
        with (self.folder / "console.log").open("ab") as log:
            return start_child(command, output=log, environment=self._environment(user), folder=REPOSITORY)

    def _environment(self, user: str) -> dict[str, str]:
        shared = {name: value for name, value in os.environ.items() if not name.startswith(("CIM_", "DJANGO_"))}
        own = {
            "CIM_DATA": str(self.folder),
            "CIM_SECRET_KEY_FILE": str(secret_key_file(self.folder)),
            "CIM_DOMAINS": self._domains,
            "CIM_STREAM_CHANGES": "1",
            "CIM_DEFAULT_SCHEDULES": "0",
            "CIM_READY_FILE": str(self.folder / f"{user}.ready"),
            "PYTHONPATH": str(self._python_path or ""),
            "PYTHONUNBUFFERED": "1",
            "CIM_OBSERVED": json.dumps({name: _connection_of(server) for name, server in self._observed.items()}),
        }
        return shared | own | variables_of(self.nats.settings("web" if user == "web" else "worker"))

    def _wait(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, (self.folder / "console.log").read_text()[-3000:]
            threading.Event().wait(0.05)


def _connection_of(server: EmbeddedServer) -> dict[str, str]:
    """A server as CIM_OBSERVED describes it: a user who may only read."""
    web = server.settings("web")
    return {"url": web.url, "user": web.user or "", "password": web.password or "", "inbox_prefix": web.inbox_prefix}
