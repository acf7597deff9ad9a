"""`manage.py demo`, as `up` starts it: what it says, how it ends, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from apps.persistence.store.embedded import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 90


async def manage_demo(server: EmbeddedServer, folder: Path, *arguments: str, url: str = "") -> asyncio.subprocess.Process:
    environment = os.environ | {
        "CIM_DATA": str(folder / "data"),
        "CIM_SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789",
        "CIM_NATS_URL": url or server.url,
        "CIM_NATS_USER": "worker",
        "CIM_NATS_PASSWORD": server.password("worker"),
        "CIM_READY_FILE": str(folder / "demo.ready"),
        "DJANGO_SETTINGS_MODULE": "cimadmin.settings",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(REPOSITORY / "manage.py"),
        "demo",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ending_of(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_command_makes_the_first_data_and_says_that_it_is_ready(own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    process = await manage_demo(own_nats_server, tmp_path, "--rate", "100", "--count", "5")

    code, output, errors = await ending_of(process)

    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == "Sent 5 commands."
    assert (tmp_path / "demo.ready").exists()


async def test_command_ends_cleanly_when_it_is_asked_to(own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    process = await manage_demo(own_nats_server, tmp_path)
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        await process.stdout.readuntil(b"all of it is demo data.")

    process.send_signal(signal.SIGTERM)

    code, _, errors = await ending_of(process)
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--rate", "0"), "--rate 0 cannot be kept; give commands per second, above 0 and up to 1000."),
        (("--rate", "nan"), "--rate nan cannot be kept; give commands per second, above 0 and up to 1000."),
        (("--count", "-1"), "--count -1 makes no sense; give the number of commands, from 0."),
    ],
)
async def test_command_refuses_what_makes_no_sense(
    own_nats_server: EmbeddedServer, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    process = await manage_demo(own_nats_server, tmp_path, *arguments)

    code, _, errors = await ending_of(process)

    assert code == 1
    assert errors.strip() == f"CommandError: {reason}"


async def test_command_says_that_there_is_no_server(own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    process = await manage_demo(own_nats_server, tmp_path, url="nats://127.0.0.1:1")

    code, _, errors = await ending_of(process)

    assert code == 1
    assert "No NATS server answers at nats://127.0.0.1:1" in errors
