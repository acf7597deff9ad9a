"""This module is the facts of the machine without which a figure means little."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from apps.persistence.store.embedded import find_binary

PACKAGES = ("nats-py", "Django", "daphne", "libipld", "blake3")


def machine_facts() -> list[str]:
    """One line each, for a person."""
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{os.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB of memory, {platform.system()}",
        f"load average before the run {os.getloadavg()[0]:.1f}: the server, both clients, the console and the browser share these cores",
        f"Python {platform.python_version()}; {', '.join(f'{name} {version(name)}' for name in PACKAGES)}",
        f"{_server_version()}, one server, file storage, `sync_interval: always`",
    ]


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _server_version() -> str:
    return subprocess.run([find_binary(), "--version"], capture_output=True, text=True, check=True).stdout.strip().replace(": v", " ")
