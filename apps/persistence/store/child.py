"""This module is how one process starts another that must not outlive it, and ends it cleanly.

On Linux the kernel ends the child when its parent is gone, whatever ended the parent, `kill -9` included (prctl PR_SET_PDEATHSIG).
The kernel looks at the *thread* that started the child, so all children are started from one thread that lives as long as the
process. Elsewhere a child ends by `stop_child` alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-starter")

# Runs in the child before the real program takes its place: same process id, no shell, nothing left in between.
_LAUNCH = """
import os, signal, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != parent:
    sys.exit("the parent process ended before its child began")
os.execv(program[0], program)
"""


def start_child(
    command: Sequence[str | Path],
    *,
    output: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` (its first part an absolute path) in `folder`, in a process group of its own, both outputs to `output`.

    The file descriptors in `keep_open` stay open in the child, so a lock on one of them is held until the child ends.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *map(str, command)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=environment,
            cwd=folder,
            pass_fds=tuple(keep_open),
            start_new_session=True,
        )

    return _STARTER.submit(start).result()


def stop_child(child: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
    """Ask the child to end, wait, and end it with its whole group where it has not. Returns its exit code."""
    if child.poll() is None:
        child.send_signal(first)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_child(child)
        return child.wait()


def kill_child(child: subprocess.Popen[bytes]) -> None:
    """End the child and its process group at once, as a power cut would, and wait until it is gone."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def say_ready() -> None:
    """Tell the process that started this one that its work has begun; without such a process it does nothing.

    The starter names a file in CIM_READY_FILE and waits until it is there.
    """
    if path := os.environ.get("CIM_READY_FILE"):
        Path(path).touch()
