"""This module is `up`: the whole console on one machine, from one command, for a newcomer and for a small installation.

It starts an embedded nats-server (or uses the one that `--nats` names), brings the SQL database up to date, and keeps the web process,
a worker, the signer, a witness and the demo running. Each of them is configured by its environment alone:

    CIM_DATA                            the folder of everything that is kept
    CIM_SECRET_KEY_FILE                 the file with Django's secret key, made once, readable by its owner alone
    CIM_NATS_URL                        one address or several, separated by commas
    CIM_NATS_USER, CIM_NATS_PASSWORD    with the embedded server: users `web` and `signer` for their processes, `worker` for the others
    CIM_NATS_CREDENTIALS, CIM_NATS_NKEY files
    CIM_NATS_TLS_CA, _TLS_CERT, _TLS_KEY  files
    CIM_NATS_DOMAIN                     the JetStream domain
    CIM_NATS_MONITOR_URL                the server's HTTP monitoring
    CIM_NATS_INBOX_PREFIX               where answers arrive, as far as the NATS user is limited to it
    CIM_LOG_KEY, CIM_WITNESS            the log of this installation, and its witness, where nobody has named others
    CIM_DEMO                            1 where demo data is being made
    CIM_READY_FILE                      a file that the worker, the signer and the demo make once they are at work
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from apps.persistence.errors import PersistenceError
from apps.persistence.store.embedded import EmbeddedServer, User, write_private
from apps.persistence.store.settings import ConnectionSettings

from .supervisor import Program, Supervisor, say
from .up_log import LogKeys, make_log_keys, publish_new_key, witness_program
from .up_options import home_settings, parse

ROOT = Path(__file__).resolve().parent.parent
MANAGE = (sys.executable, str(ROOT / "manage.py"))
HOST = "127.0.0.1"
WEB_SECONDS = 60
WORKER_SECONDS = 20
PORT_SECONDS = 2  # the web process of an `up` that was killed needs a moment to end


class CannotStart(Exception):
    """The console cannot be started here; the message says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments, default_data=ROOT / "var")
    stopping = threading.Event()
    try:
        with only_one(options.data) as lock:
            return run(options, lock, stopping)
    except (CannotStart, PersistenceError) as error:
        say(str(error))
        return 1


def run(options: argparse.Namespace, lock: TextIO, stopping: threading.Event) -> int:
    """Start everything, keep it running, end it. Returns the exit code."""
    port = usable_port(options.port)
    lock.write(f"process {os.getpid()}, http://{HOST}:{port}/")
    lock.flush()
    home = home_settings(options) or EmbeddedServer(options.data / "nats")
    server = home if isinstance(home, EmbeddedServer) else None
    supervisor = Supervisor(ROOT, server, stopping)
    with ended_by_signals(supervisor):
        if server is not None:
            say("Starting nats-server ...")
            server.start()
        keys = make_log_keys(options.data, port=usable_port(0), is_witness_named=bool(os.environ.get("CIM_WITNESS", "").strip()))
        if keys is not None:
            publish_new_key(keys, home.settings("signer") if isinstance(home, EmbeddedServer) else home)
        environments = environment_of_each(options, home, keys)
        write_environment(options.data / "environment", environments["command"])
        link = prepare(environments["web"])
        witness = witness_program(options.data, keys, environments["command"]) if keys and keys.port else None
        start_programs(supervisor, environments, options, port, witness)
        if not stopping.is_set():
            where = f"{server.url} (embedded; every write is synced to disk)" if server else options.nats
            welcome(options, f"http://{HOST}:{port}", link, where)
        supervisor.keep_running()
    say("Stopped. The data is kept.")
    return 0


@contextmanager
def only_one(data: Path) -> Iterator[TextIO]:
    """Hold the data folder's lock. Raises CannotStart where another `up` holds it, or the folder cannot be made."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as error:
        raise CannotStart(f"{data} cannot hold the data: {error.strerror}. Name a folder that you can write to: --data DIR") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "it is still starting"
            raise CannotStart(f"The console already runs on {data} ({holder}). Stop it, or use another folder: --data DIR") from None
        lock.truncate(0)
        yield lock


def usable_port(port: int) -> int:
    """The port, or a free one for 0. Raises CannotStart where somebody else listens there."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            with socket.create_server((HOST, port)) as listener:
                return int(listener.getsockname()[1])
        except OSError as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"Port {port} cannot be used: {error.strerror}. Choose another one: --port {port + 1}") from error
            time.sleep(0.1)


@contextmanager
def ended_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end everything cleanly; a second signal ends it at once."""

    def end(*_: object) -> None:
        if supervisor.stopping.is_set():
            supervisor.kill()
        supervisor.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        yield
    finally:
        supervisor.stopping.set()
        say("Stopping ...")
        supervisor.stop()


def environment_of_each(
    options: argparse.Namespace, home: ConnectionSettings | EmbeddedServer, keys: LogKeys | None
) -> dict[str, dict[str, str]]:
    """The environment of the web process, the worker, the demo, the signer, and of commands that a person types."""
    shared = {name: value for name, value in os.environ.items() if not name.startswith("CIM_NATS_")}
    shared |= {"CIM_DATA": str(options.data), "CIM_SECRET_KEY_FILE": str(secret_key_file(options.data)), "PYTHONUNBUFFERED": "1"}
    shared |= {"CIM_DEMO": "1"} if options.demo else {}
    shared |= {name: value for name, value in (keys.environment if keys else {}).items() if not shared.get(name, "").strip()}
    if isinstance(home, EmbeddedServer):
        shared.setdefault("CIM_DOMAINS", "apps.domain")  # a server of our own has only the order example to show
        shared.setdefault("CIM_STREAM_CHANGES", "1")
    users: dict[str, User] = {"web": "web", "worker": "worker", "demo": "worker", "signer": "signer", "command": "admin"}
    environments = {}
    for name, user in users.items():
        settings = home.settings(user) if isinstance(home, EmbeddedServer) else home
        ready = {"CIM_READY_FILE": str(options.data / f"{name}.ready")}
        environments[name] = shared | ready | variables_of(settings)
    return environments


def variables_of(settings: ConnectionSettings) -> dict[str, str]:
    """The settings as CIM_NATS_* variables; what is not set is left out."""
    found = {
        "URL": settings.url,
        "USER": settings.user,
        "PASSWORD": settings.password,
        "CREDENTIALS": settings.credentials_file,
        "NKEY": settings.nkey_file,
        "TLS_CA": settings.tls_ca_file,
        "TLS_CERT": settings.tls_cert_file,
        "TLS_KEY": settings.tls_key_file,
        "DOMAIN": settings.domain,
        "API_PREFIX": settings.api_prefix,
        "MONITOR_URL": settings.monitor_url,
        "INBOX_PREFIX": settings.inbox_prefix,
    }
    return {f"CIM_NATS_{name}": value for name, value in found.items() if value}


def secret_key_file(data: Path) -> Path:
    path = data / "secret-key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(64))
    return path


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Keep the CIM_* variables for `manage.py`, which reads this file where CIM_DATA is its folder; a shell can read it too."""
    own = {name: value for name, value in sorted(environment.items()) if name.startswith("CIM_") and name != "CIM_READY_FILE"}
    write_private(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in own.items()))


def prepare(environment: Mapping[str, str]) -> str:
    """Bring the SQL database up to date; the path of a sign-in link. Raises CannotStart with Django's own words."""
    command = [sys.executable, "-m", "cimadmin.prepare"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise CannotStart(f"The SQL database could not be brought up to date:\n{done.stderr.strip()}")
    return done.stdout.strip().splitlines()[-1]


def start_programs(
    supervisor: Supervisor,
    environments: Mapping[str, Mapping[str, str]],
    options: argparse.Namespace,
    port: int,
    witness: Program | None,
) -> None:
    """Start web process and worker, then witness, signer and demo. Raises CannotStart where the web process does not answer."""
    daphne = (sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), "-v", "0", "--no-server-name", "cimadmin.asgi:application")
    supervisor.start(Program(name="web", command=daphne, environment=environments["web"], is_ready=lambda: answers(port)))
    supervisor.start(managed("worker", environments, "worker"))
    late = supervisor.wait_until_ready("worker", seconds=WORKER_SECONDS)
    if witness is not None and not supervisor.stopping.is_set():
        supervisor.start(witness)
    if not supervisor.stopping.is_set():
        supervisor.start(managed("signer", environments, "signer"))
    if options.demo and not supervisor.stopping.is_set():
        supervisor.start(managed("demo", environments, "demo", "--rate", f"{options.demo_rate:g}"))
    if supervisor.wait_until_ready("web", seconds=WEB_SECONDS) and not supervisor.stopping.is_set():
        raise CannotStart(f"The web process did not answer on port {port} within {WEB_SECONDS} s; its own lines above say why.")
    for name in late:
        say(f"{name} is not at work yet; its own lines say why. The pages show what there is, and it is started again whenever it ends.")


def managed(name: str, environments: Mapping[str, Mapping[str, str]], *command: str) -> Program:
    """A management command that makes its CIM_READY_FILE when it is at work."""
    ready_file = Path(environments[name]["CIM_READY_FILE"])
    ready_file.unlink(missing_ok=True)
    return Program(name=name, command=(*MANAGE, *command), environment=environments[name], is_ready=ready_file.exists)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def welcome(options: argparse.Namespace, address: str, link: str, nats: str) -> None:
    """Print where the console is and how to get in."""
    demo = f"{options.demo_rate:g} events a second, marked as demo data (--no-demo leaves it out)" if options.demo else "none"
    text = f"""
The console is ready.

  Address  {address}/
  Sign in  {address}{link}  (works once)
  NATS     {nats}
  Demo     {demo}
  Data     {options.data}

Ctrl-C stops everything.
"""
    say(text, source="")
