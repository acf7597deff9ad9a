#!/usr/bin/env python3
"""This module is the one command of the project: it makes its own environment, then starts, tests, measures or checks the console.

    python3 run.py up      start everything on this machine (`up --help` for the options)
    python3 run.py test    run all tests, suites beside each other; `--only domain|attacks|web|persistence|browser`; `-- <pytest arguments>`
    python3 run.py bench   measure against the numbers in the design; what follows goes to the benchmark
    python3 run.py attack  change histories in every way we know, and see that it is found; what follows goes to the attacks
    python3 run.py lint    style, types, sizes, who may import whom

It needs Python 3.11 or newer and nothing else. Packages go into .venv, from the lock files, whose hashes pip checks.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (this file is what meets an older Python)
    sys.exit(
        f"The console needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}). "
        "Install a newer one and start with that, for example: python3.11 run.py up"
    )

import argparse
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RUNTIME_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"

# Sync Playwright and pytest-asyncio cannot share a process, and the persistence module must work without Django: one run of pytest each.
SUITES = {
    "attacks": ["tests/attacks", "-p", "no:django", "-p", "no:playwright"],
    "web": ["tests/web", "-p", "no:playwright"],
    "domain": ["tests/domain", "-p", "no:django", "-p", "no:playwright"],
    "persistence": ["tests/persistence", "-p", "no:django", "-p", "no:playwright", "-n", "2", "--dist", "loadfile"],  # the longest
    "browser": ["tests/browser", "-p", "no:asyncio"],
}
QUIET = ["-W", "ignore:Unknown config option:pytest.PytestConfigWarning"]
TESTS_FAILED, NO_TESTS_COLLECTED, MOST_RUN_AGAIN = 1, 5, 10  # two ends of pytest; how many failures are tried again
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_DOWNLOAD_SECONDS = 60


class Stop(Exception):
    """The command cannot go on; the message says why and what to do."""


def main() -> int:
    arguments, rest = parse(sys.argv[1:])
    commands = {"up": up, "test": test, "bench": start, "attack": start, "lint": lint}
    try:
        return commands[arguments.command](arguments, rest)
    except Stop as stop:
        print(f"run.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and what is handed on: everything after `--`, and for `up`, `bench` and `attack` every option."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|test|bench|attack|lint")
    for name in ("up", "bench", "attack"):
        commands.add_parser(name, add_help=False)
    commands.add_parser("lint")
    commands.add_parser("test").add_argument("--only", choices=sorted(SUITES), help="run this suite alone")
    end = words.index("--") if "--" in words else len(words)
    arguments, unknown = parser.parse_known_args(words[:end])
    if unknown and arguments.command in ("test", "lint"):
        parser.error(f"unknown option {unknown[0]}{'; hand options to pytest after --' if arguments.command == 'test' else ''}")
    return arguments, unknown + words[end + 1 :]


def up(_: argparse.Namespace, rest: list[str]) -> int:
    install(RUNTIME_LOCK)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, every later start takes two seconds less
    os.execv(PYTHON, [str(PYTHON), str(ROOT / "manage.py"), "up", *rest])


def start(arguments: argparse.Namespace, rest: list[str]) -> int:
    install(TEST_LOCK)
    return run([PYTHON, "-m", {"bench": "tests.bench", "attack": "tests.attacks"}[arguments.command], *rest])


def lint(_: argparse.Namespace, rest: list[str]) -> int:
    install(TEST_LOCK)
    checks = {
        "style": [PYTHON.with_name("ruff"), "check", "."],
        "types": [PYTHON.with_name("mypy")],
        "sizes": [PYTHON, ".ci/sizes.py"],
        "imports": [PYTHON.with_name("lint-imports"), "--no-logo"],
    }
    failed = [name for name, command in checks.items() if announce(name) or run(command)]
    print(f"\nlint: {', '.join(failed)} failed" if failed else "\nlint: all good")
    return 1 if failed else 0


def test(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Every suite in a process of its own, beside each other, shown in turn; then what failed once more, alone."""
    install(TEST_LOCK)
    chosen = [arguments.only] if arguments.only else list(SUITES)
    environment = dict(os.environ)
    if "browser" in chosen:
        environment["CIM_CHROMIUM"] = find_browser()
    started, failed = time.monotonic(), list[str]()
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="cim-tests-") as folder:
        suites = {name: Suite(name, Path(folder), rest, environment) for name in chosen}
        for name in set(chosen) - {"web"}:  # this one starts in its turn, behind the shortest
            suites[name].start()
        for name, suite in suites.items():
            announce(name)
            if suite.show() not in (0, NO_TESTS_COLLECTED):
                failed.append(name)
            add_counts(totals, suite.report)
        failed = [name for name in failed if not suites[name].passes_alone(totals)]
    return closing_line(totals, failed, time.monotonic() - started)


class Suite:
    """One suite of tests, run in a process of its own that writes to a file until it is its turn to be shown."""

    def __init__(self, name: str, folder: Path, rest: list[str], environment: dict[str, str]) -> None:
        self.name, self.report, self.log, self.environment = name, folder / f"{name}.xml", folder / f"{name}.log", environment
        self.command = [PYTHON, "-m", "pytest", *SUITES[name], *QUIET, "-o", f"cache_dir={folder / name}", *rest]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("wb") as log:
            command = [*self.command, f"--junitxml={self.report}"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.process

    def show(self) -> int:
        """Print what it says until it ends, starting it where that was not done; its exit code."""
        process = self.process or self.start()
        with self.log.open("r", errors="replace") as words:
            while process.poll() is None:
                time.sleep(0.5)
                print(words.read(), end="", flush=True)
            print(words.read(), end="", flush=True)
        return process.returncode

    def passes_alone(self, totals: dict[str, int]) -> bool:
        """Run what failed again, where that is little: a machine shared by all suites can miss a deadline. It is named all the same."""
        broken = broken_tests(self.report) if self.process and self.process.returncode == TESTS_FAILED else []
        if not 0 < len(broken) <= MOST_RUN_AGAIN:
            return False
        announce(f"{self.name}: what failed once more, alone")
        if run([*self.command, "--last-failed"], self.environment):
            return False
        print(f"Passed only alone: {', '.join(name for name, _ in broken)}", flush=True)
        for _, kind in broken:
            totals[kind] -= 1
        return True


def broken_tests(report: Path) -> list[tuple[str, str]]:
    """Each test that did not pass, with the count of the report it is in."""
    kinds = {"failure": "failures", "error": "errors"}
    cases = xml.parse(report).getroot().iter("testcase")
    return [(f"{case.get('classname')}::{case.get('name')}", kinds[part.tag]) for case in cases for part in case if part.tag in kinds]


def add_counts(totals: dict[str, int], report: Path) -> None:
    for suite in xml.parse(report).getroot().iter("testsuite") if report.exists() else ():  # there is none where pytest could not start
        for name in totals:
            totals[name] += int(suite.get(name, 0))


def closing_line(totals: dict[str, int], failed: list[str], seconds: float) -> int:
    """Print the sum of all suites as the last line; the exit code says the same."""
    broken = totals["failures"] + totals["errors"]
    passed = totals["tests"] - broken - totals["skipped"]
    if not totals["tests"] and not failed:
        failed = ["nothing was collected, so the run"]
    where = f" ({', '.join(failed)} failed)" if failed else ""
    print(f"\n{passed} passed, {broken} failed, {totals['skipped']} skipped in {seconds:.0f} s{where}")
    return 1 if failed else 0


def install(lock: str) -> None:
    """Make .venv hold what the lock says. Takes no time when it does already: the lock's digest is kept there."""
    stamp, digest = VENV / f".{lock}.sha256", digest_of(lock)
    if has_working_venv():
        if stamp.exists() and stamp.read_text() == digest:
            return
    else:
        make_venv()
    print(f"Installing the packages of {lock} into .venv (once; about a minute) ...", flush=True)
    for old in VENV.glob(".*.sha256"):
        old.unlink()
    options = ["--require-hashes", "-qq", "--disable-pip-version-check", "--no-input"]
    if run([PYTHON, "-m", "pip", "install", *options, "-r", lock]):
        raise Stop(f"pip could not install {lock} (its reason is above). Check the network or your package index, then run the same again.")
    stamp.write_text(digest)
    if lock == TEST_LOCK and pins_of(RUNTIME_LOCK) <= pins_of(TEST_LOCK):
        (VENV / f".{RUNTIME_LOCK}.sha256").write_text(digest_of(RUNTIME_LOCK))


def digest_of(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def pins_of(lock: str) -> set[str]:
    return {line.split(" ")[0] for line in (ROOT / lock).read_text().splitlines() if "==" in line and not line.startswith((" ", "#"))}


def has_working_venv() -> bool:
    """A folder that was moved, or whose Python was removed, does not count."""
    if not PYTHON.exists():
        return False
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11) or sys.prefix != sys.argv[1])"
    return subprocess.run([PYTHON, "-c", check, str(VENV)], stderr=subprocess.DEVNULL).returncode == 0


def make_venv() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        install_with_apt("python3-venv", "Python lacks its venv module")
    if run([sys.executable, "-m", "venv", "--clear", VENV]):
        raise Stop(f"{sys.executable} could not make a virtual environment in {VENV}; its reason is above.")


def find_browser() -> str:
    """The path of a Chromium: the one named, the system's, one from apt, or Playwright's own."""
    named = os.environ.get("CIM_CHROMIUM")
    if named:
        if not shutil.which(named):
            raise Stop(f"CIM_CHROMIUM is {named!r}, which is no program; name a Chromium, or unset it.")
        return named
    found = system_browser()
    if found is None and can_use_apt():
        print("Installing chromium for the browser tests (once) ...", flush=True)
        apt_get("chromium")
        found = system_browser()
    found = found or playwright_browser()
    if found is None:
        raise Stop(
            "The browser tests need a Chromium, and none could be installed. Install it (on Debian: sudo apt-get install -y chromium), "
            "or name one by CIM_CHROMIUM=/path/to/chrome, or leave those tests out: python3 run.py test --only persistence"
        )
    return found


def system_browser() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def playwright_browser() -> str | None:
    """Playwright's own Chromium, downloaded where it is not there yet, if that takes no longer than a minute."""
    print("Downloading Playwright's Chromium (once) ...", flush=True)
    download = subprocess.Popen([PYTHON, "-m", "playwright", "install", "chromium"], start_new_session=True)
    try:
        download.wait(BROWSER_DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(download.pid, signal.SIGKILL)
        return None
    ask = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    path = subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True).stdout.strip()
    return path if path and Path(path).exists() else None


def install_with_apt(package: str, reason: str) -> None:
    if not can_use_apt():
        raise Stop(f"{reason}. Install it, then run the same again. On Debian and Ubuntu: sudo apt-get install -y {package}")
    print(f"{reason}; installing {package} ...", flush=True)
    if apt_get(package):
        raise Stop(f"{reason}, and `apt-get install -y {package}` failed (its reason is above).")


def can_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_get(package: str) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], environment)
    return run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], environment)


def announce(name: str) -> None:
    print(f"\n== {name}", flush=True)


def run(command: list[str | Path], environment: dict[str, str] | None = None) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
