"""`up` as a person meets it: one command, one address, a way in, clear refusals, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from apps.persistence.log.anchors import read_anchors
from apps.persistence.log.coverage import Coverage, read_coverage
from apps.persistence.log.trust import Trust
from apps.persistence.store import Connection, ConnectionSettings, Outgoing, store_message
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
UP = [sys.executable, str(ROOT / "manage.py"), "up"]
START_SECONDS = 120
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("CIM_", "DJANGO_"))}


@dataclass
class Console:
    """A running `up`."""

    process: subprocess.Popen[str]
    data: Path
    printed: str
    children: list[psutil.Process]

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.printed)
        assert match is not None, self.printed
        return match.group(1)

    @property
    def address(self) -> str:
        return self.found(r"Address +(http://\S+)/\n")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    started = start(tmp_path_factory.mktemp("up"))
    yield started
    end(started, signal.SIGKILL)


def test_address_answers(console: Console) -> None:
    with urllib.request.urlopen(console.address + "/healthz", timeout=10) as answer:
        assert answer.status == 200


def test_printed_link_signs_in(console: Console) -> None:
    link = console.found(r"Sign in +(http://\S+)")

    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.status == 200


def test_files_with_secrets_are_readable_by_their_owner_alone(console: Console) -> None:
    modes = [(console.data / name).stat().st_mode & 0o777 for name in ("", "secret-key", "environment", "nats/passwords.json")]

    assert modes == [0o700, 0o600, 0o600, 0o600]


def test_web_process_has_the_restricted_nats_user(console: Console) -> None:
    web = next(child for child in console.children if "cimadmin.asgi:application" in child.cmdline())

    assert web.environ()["CIM_NATS_USER"] == "web"
    assert web.environ()["CIM_NATS_INBOX_PREFIX"] == "_INBOX_web"


def test_every_process_is_told_the_key_of_the_log_and_its_witness(console: Console) -> None:
    programs = [
        child.environ() for child in console.children if "cimadmin.asgi:application" in child.cmdline() or "worker" in child.cmdline()
    ]

    assert len(programs) == 2
    for environment in programs:
        assert environment["CIM_LOG_KEY"] == told(console, "CIM_LOG_KEY")
        assert environment["CIM_WITNESS"] == told(console, "CIM_WITNESS")


async def test_checkpoints_are_cosigned_by_the_witness(console: Console) -> None:
    trust = Trust.parse(log_key=told(console, "CIM_LOG_KEY"), witness=told(console, "CIM_WITNESS"))
    settings = ConnectionSettings(
        url=told(console, "CIM_NATS_URL"), user=told(console, "CIM_NATS_USER"), password=told(console, "CIM_NATS_PASSWORD")
    )
    async with open_connection(settings) as connection, asyncio.timeout(START_SECONDS):
        await store_message(connection, Outgoing("cim.console.note.n1.written.v1", b"anything", {}))
        found = await cosigned_coverage(connection, trust)
        anchors = await read_anchors(connection, "CIM-CONSOLE", trust)

    assert (found.alarm, anchors.missing) == ("", ())
    assert len(anchors.found) == 3


async def cosigned_coverage(connection: Connection, trust: Trust) -> Coverage:
    while True:
        found = await read_coverage(connection, "CIM-CONSOLE", trust)
        if found.cosigned:
            return found
        await asyncio.sleep(0.2)


def told(console: Console, name: str) -> str:
    """What `up` says for this variable to commands of a person."""
    lines = (console.data / "environment").read_text().splitlines()
    return next(shlex.split(line)[0].partition("=")[2] for line in lines if line.startswith(f"{name}="))


def test_commands_find_the_environment_of_the_running_console(console: Console) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "sign_in_link"]

    done = subprocess.run(command, env=ENVIRONMENT | {"CIM_DATA": str(console.data)}, capture_output=True, text=True, timeout=120)

    assert done.stdout.startswith("/sign-in/"), done.stderr


def test_second_up_on_the_same_data_is_refused(console: Console) -> None:
    refused = up("--data", str(console.data), "--port", "0")

    assert refused.returncode == 1
    assert f"The console already runs on {console.data} (process {console.process.pid}, {console.address}/)" in refused.stdout


def test_port_in_use_is_refused_by_its_number(console: Console, tmp_path: Path) -> None:
    port = console.address.rpartition(":")[2]

    refused = up("--data", str(tmp_path), "--port", port)

    assert refused.returncode == 1
    assert f"Port {port} cannot be used: Address already in use" in refused.stdout
    assert "--port" in refused.stdout


def test_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused = up("--data", str(tmp_path / "file" / "data"))

    assert refused.returncode == 1
    assert "cannot hold the data: Not a directory" in refused.stdout


def test_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"nats://127.0.0.1:{unused.getsockname()[1]}"

    refused = up("--data", str(tmp_path), "--port", "0", "--nats", url)

    assert refused.returncode == 1
    assert f"No NATS server answers at {url}" in refused.stdout


def test_wrong_password_for_an_external_server_is_refused(nats_server: EmbeddedServer, tmp_path: Path) -> None:
    refused = up("--data", str(tmp_path), "--port", "0", "--nats", nats_server.url, "--user", "worker", "--password", "guessed")

    assert refused.returncode == 1
    assert "refused the credentials" in refused.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "'70000' is no port; give a number from 0 to 65535"),
        (["--demo-rate", "0"], "'0' is no rate; give events per second, above 0 and up to 1000"),
        (["--user", "ops"], "--user describes an external server; name it with --nats URL."),
    ],
)
def test_wrong_option_is_explained(options: list[str], message: str) -> None:
    refused = up(*options)

    assert refused.returncode == 2
    assert message in refused.stderr


def test_interrupt_ends_every_process_and_the_same_data_goes_on(tmp_path: Path) -> None:
    first = start(tmp_path)
    key = (tmp_path / "secret-key").read_text()

    assert end(first, signal.SIGINT) == 0

    assert psutil.wait_procs(first.children, timeout=0)[1] == []
    second = start(tmp_path)
    assert (tmp_path / "secret-key").read_text() == key
    end(second, signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_children_end_when_up_is_killed(tmp_path: Path) -> None:
    console = start(tmp_path)

    end(console, signal.SIGKILL)

    assert psutil.wait_procs(console.children, timeout=60)[1] == []


def up(*options: str) -> subprocess.CompletedProcess[str]:
    """`up` with options that it refuses."""
    return subprocess.run([*UP, *options], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def start(data: Path) -> Console:
    """Start `up` without demo data on a free port, and wait until it says that it is ready."""
    command = [*UP, "--data", str(data), "--port", "0", "--no-demo"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    too_long = threading.Timer(START_SECONDS, process.kill)
    too_long.start()
    assert process.stdout is not None
    lines: list[str] = []
    while lines[-1:] != ["Ctrl-C stops everything.\n"]:
        lines.append(process.stdout.readline())
        assert lines[-1], "up ended:\n" + "".join(lines)
    too_long.cancel()
    return Console(process, data, "".join(lines), psutil.Process(process.pid).children(recursive=True))


def end(console: Console, number: signal.Signals) -> int:
    console.process.send_signal(number)
    code = console.process.wait(timeout=90)
    assert console.process.stdout is not None
    console.process.stdout.close()
    return code
