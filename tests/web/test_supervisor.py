"""What `up` promises of the programs it keeps: started again when they end, and never left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from apps.persistence.store.embedded import EmbeddedServer
from cimadmin.supervisor import Program, Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path, None, threading.Event())
    yield supervisor
    supervisor.stop()


def test_program_that_ended_is_started_again(supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor.start(program(tmp_path, ends_at_first=True))

    late = supervisor.wait_until_ready("writer", seconds=20)

    assert late == []
    assert "writer ended (exit code 3); starting it again in 1 s." in capsys.readouterr().out


def test_program_that_keeps_failing_is_started_less_and_less_often(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.start(Program(name="broken", command=(sys.executable, "-c", "raise SystemExit(5)"), environment=os.environ, is_ready=bool))

    supervisor.wait_until_ready("broken", seconds=4)

    printed = capsys.readouterr().out
    assert "broken ended (exit code 5); starting it again in 1 s." in printed
    assert "broken ended (exit code 5); starting it again in 2 s." in printed


def test_lines_carry_the_name_of_the_program(supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor.start(program(tmp_path))
    supervisor.wait_until_ready("writer", seconds=20)

    supervisor.stop()

    assert "writer | at work" in capsys.readouterr().out


def test_program_that_is_not_ready_in_time_is_named(supervisor: Supervisor) -> None:
    supervisor.start(Program(name="slow", command=(sys.executable, "-c", "input()"), environment=os.environ, is_ready=lambda: False))

    assert supervisor.wait_until_ready("slow", seconds=0.3) == ["slow"]


def test_stop_ends_a_program_that_ignores_the_request(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cimadmin.supervisor.STOP_SECONDS", 0.5)
    supervisor.start(program(tmp_path, ignores_requests=True))
    supervisor.wait_until_ready("writer", seconds=20)
    child = supervisor.running[0].child
    assert child is not None

    supervisor.stop()

    assert child.returncode == -signal.SIGKILL


def test_server_that_was_killed_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "nats") as server:
        supervisor = Supervisor(tmp_path, server, threading.Event())
        address = server.url
        process = psutil.Process(int((server.data_dir / "server.pid").read_text()))

        process.kill()
        until(lambda: not server.is_running)
        supervisor.look()

        assert server.is_running
        assert server.url == address


def program(folder: Path, *, ends_at_first: bool = False, ignores_requests: bool = False) -> Program:
    """A program that says that it is at work, by a line and by a file, and waits to be ended."""
    script = f"""
import pathlib, signal, sys, threading
first = not pathlib.Path("started").exists()
pathlib.Path("started").touch()
if {ends_at_first} and first:
    sys.exit(3)
if {ignores_requests}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("at work", flush=True)
pathlib.Path("ready").touch()
threading.Event().wait()
"""
    return Program(name="writer", command=(sys.executable, "-c", script), environment=os.environ, is_ready=(folder / "ready").exists)


def until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        threading.Event().wait(0.02)
