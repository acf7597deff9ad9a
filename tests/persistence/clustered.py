"""This module is a cluster of three nats-servers on this machine, for tests of what replicas do."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apps.persistence.store import ConnectionSettings
from apps.persistence.store.embedded import EmbeddedServer, User, write_private

SERVERS = 3
MONITOR_SECONDS = 5


class ClusteredServer(EmbeddedServer):
    """One server of a cluster; `start` does not wait, as it is ready only once others are there."""

    def __init__(self, data_dir: Path, name: str, *, own_route: int, routes: tuple[int, ...]) -> None:
        super().__init__(data_dir)
        self.name = name
        self._own_route = own_route
        self._routes = routes

    def wait(self) -> None:
        """Until it is ready. Raises Unavailable with the end of its log."""
        super()._wait_until_ready()

    def _wait_until_ready(self) -> None:
        return

    def _config(self) -> str:
        routes = json.dumps([f"nats://127.0.0.1:{port}" for port in self._routes])
        cluster = f'cluster {{ name: "trio", listen: "127.0.0.1:{self._own_route}", routes: {routes} }}\n'
        return super()._config().replace('server_name: "cim-embedded"', f'server_name: "{self.name}"') + cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Three servers with the same users; any two of them go on without the third."""

    servers: tuple[ClusteredServer, ...]

    def named(self, name: str) -> ClusteredServer:
        return next(server for server in self.servers if server.name == name)

    def settings(self, user: User = "worker") -> ConnectionSettings:
        """How to reach whichever server answers."""
        first = self.servers[0]
        return replace(first.settings(user), url=",".join(server.url for server in self.servers), monitor_url=None)

    def wait(self) -> None:
        for server in self.servers:
            server.wait()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Three servers, n1 to n3, ready, for as long as the block lasts."""
    ports = _free_ports(SERVERS)
    servers = tuple(
        ClusteredServer(folder / f"n{number}", f"n{number}", own_route=port, routes=ports) for number, port in enumerate(ports, start=1)
    )
    with ExitStack() as stack:
        passwords = ""
        for server in servers:
            server.data_dir.mkdir(parents=True, exist_ok=True)
            passwords = passwords or json.dumps(server._passwords())
            write_private(server.data_dir / "passwords.json", passwords)
        for server in servers:
            stack.enter_context(server)
        cluster = Cluster(servers=servers)
        cluster.wait()
        yield cluster


def monitor(server: EmbeddedServer, page: str) -> Any:
    """A page of the server's monitoring port."""
    with urllib.request.urlopen(f"{server.monitor_url}/{page}", timeout=MONITOR_SECONDS) as answer:
        return json.load(answer)


def _free_ports(count: int) -> tuple[int, ...]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(one.getsockname()[1] for one in taken)
    for one in taken:
        one.close()
    return ports
