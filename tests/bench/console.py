"""This module is the console as it runs: a web process and a worker on the measured server, and people who sign in to it."""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.console import load_registry
from apps.persistence.registry import Registry
from apps.persistence.store import EVENTS, list_consumers
from apps.persistence.store.child import start_child, stop_child
from cimadmin.up import answers, prepare, secret_key_file, usable_port, variables_of

from .stage import Stage, until

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "tests.bench.measured_domain"
WORKER = (sys.executable, "manage.py", "worker")
START_SECONDS = 60
CAUGHT_UP_SECONDS = 3_600
LOOK_SECONDS = 1.0
_PEOPLE = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "cimadmin.settings"
django.setup()
from django.contrib.auth.models import Group, User
from apps.accounts.links import create_sign_in_link
for number in range(int(sys.argv[1])):
    person, _ = User.objects.get_or_create(username=f"person-{number}")
    person.groups.add(Group.objects.get(name="viewer"))
    print(create_sign_in_link(person))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A running console. `admin_link` is the path of the first admin's sign-in link, good once."""

    port: int
    web: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    worker_environment: Mapping[str, str]
    admin_link: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sign_in_links(self, count: int) -> list[str]:
        """Paths of sign-in links of so many people who may look at everything."""
        command = [sys.executable, "-c", _PEOPLE, str(count)]
        done = subprocess.run(command, env=dict(self.environment), cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.split()


class Visitor:
    """Somebody signed in, with one kept connection to the web process."""

    def __init__(self, console: Console, link: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)
        self._connection.request("GET", link)
        answer = self._connection.getresponse()
        answer.read()
        cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        assert answer.status == 302, f"{link} answered {answer.status}"
        self.cookie = "; ".join(cookies)

    def get(self, path: str) -> tuple[int, bytes, float]:
        """The status, the page, and how many seconds it took."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        body = answer.read()
        return answer.status, body, time.perf_counter() - began


@asynccontextmanager
async def open_console(stage: Stage) -> AsyncIterator[Console]:
    """Start the web process and a worker, wait until all projections have caught up, and stop both afterwards."""
    folder = stage.folder / "console"
    folder.mkdir(exist_ok=True)
    environments = {user: _environment(stage, folder, user) for user in ("web", "worker")}
    link = await asyncio.to_thread(prepare, environments["web"])
    port, log_file, ready_file = usable_port(0), folder / "console.log", folder / "worker.ready"
    web, worker = _start(environments, port, log_file, ready_file)
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                await until(lambda: ready_file.exists() and answers(port))
        except TimeoutError as error:
            raise RuntimeError(f"The console did not start:\n{log_file.read_text()[-2000:]}") from error
        await _catch_up(stage)
        yield Console(port=port, web=web, environment=environments["web"], worker_environment=environments["worker"], admin_link=link)
    finally:
        stop_child(web)
        stop_child(worker)


@asynccontextmanager
async def second_worker(console: Console) -> AsyncIterator[None]:
    """Another worker beside the console's own."""
    ready_file = Path(console.worker_environment["CIM_DATA"]) / "second.ready"
    environment = {**console.worker_environment, "CIM_READY_FILE": str(ready_file)}
    worker = start_child(WORKER, output=subprocess.DEVNULL, environment=environment, folder=ROOT)
    try:
        async with asyncio.timeout(START_SECONDS):
            await until(ready_file.exists)
        yield
    finally:
        stop_child(worker)
        ready_file.unlink(missing_ok=True)


def registry_of() -> Registry:
    """What the measured console declares."""
    return load_registry([DOMAIN])


def _start(
    environments: Mapping[str, Mapping[str, str]], port: int, log_file: Path, ready_file: Path
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """The web process and the worker; what they print goes to the log."""
    daphne = (sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "cimadmin.asgi:application")
    ready_file.unlink(missing_ok=True)
    with log_file.open("ab") as log:
        worker = start_child(WORKER, output=log, environment=environments["worker"], folder=ROOT)
        return start_child(daphne, output=log, environment=environments["web"], folder=ROOT), worker


def _environment(stage: Stage, folder: Path, user: str) -> dict[str, str]:
    shared = {name: value for name, value in os.environ.items() if not name.startswith(("CIM_", "DJANGO_"))}
    own = {
        "CIM_DATA": str(folder),
        "CIM_SECRET_KEY_FILE": str(secret_key_file(folder)),
        "CIM_DOMAINS": DOMAIN,
        "CIM_READY_FILE": str(folder / f"{user}.ready"),
        "PYTHONUNBUFFERED": "1",
    }
    return shared | own | variables_of(stage.server.settings("web" if user == "web" else "worker"))


async def _catch_up(stage: Stage) -> None:
    """Wait until every projection of the events has read them all. Raises TimeoutError."""
    async with asyncio.timeout(CAUGHT_UP_SECONDS):
        while True:
            consumers = await list_consumers(stage.store.connection, EVENTS.stream)
            if consumers and all(consumer.lag == 0 for consumer in consumers):
                return
            await asyncio.sleep(LOOK_SECONDS)
