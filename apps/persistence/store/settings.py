"""This module is how a NATS server is reached: address, identity, TLS, JetStream domain."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInput

CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """One NATS connection. Give at most one of user and password, `credentials_file` (a .creds file) or `nkey_file` (a seed).

    `url` may name several servers, separated by commas. `api_prefix` is for accounts that import JetStream under another prefix;
    `domain` is the JetStream domain. `monitor_url` is the server's HTTP monitoring address; it is asked only what its own
    configuration is (`sync_interval`).
    """

    name: str = "home"
    url: str = "nats://127.0.0.1:4222"
    user: str | None = None
    password: str | None = None
    credentials_file: str | None = None
    nkey_file: str | None = None
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    domain: str | None = None
    api_prefix: str | None = None
    monitor_url: str | None = None
    inbox_prefix: str = "_INBOX"

    def __post_init__(self) -> None:
        identities = [bool(self.user), bool(self.credentials_file), bool(self.nkey_file)]
        if sum(identities) > 1:
            raise InvalidInput(f"Connection {self.name}: give a user, a credentials file or an nkey, only one of them.")
        if self.domain and self.api_prefix:
            raise InvalidInput(f"Connection {self.name}: give a JetStream domain or an API prefix, not both.")

    @property
    def servers(self) -> list[str]:
        """The addresses, one by one."""
        return [address.strip() for address in self.url.split(",") if address.strip()]

    @property
    def api_root(self) -> str:
        """What every JetStream API subject begins with."""
        if self.api_prefix:
            return self.api_prefix.rstrip(".")
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"

    def __repr__(self) -> str:
        return f"ConnectionSettings(name={self.name!r}, url={self.url!r})"


def connect_options(settings: ConnectionSettings) -> dict[str, Any]:
    """The keyword arguments of nats-py's `connect`. Raises InvalidInput for a file that is missing or cannot be read."""
    options: dict[str, Any] = {
        "servers": settings.servers,
        "name": f"cim-console {settings.name}",
        "connect_timeout": CONNECT_SECONDS,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,
        "ping_interval": 5,
        "max_outstanding_pings": 2,
        "pending_size": -1,  # while disconnected a publish fails at once instead of being stored later behind the caller's back
        "inbox_prefix": settings.inbox_prefix,
    }
    if settings.user:
        options |= {"user": settings.user, "password": settings.password or ""}
    if settings.credentials_file:
        options["user_credentials"] = _existing(settings.credentials_file, "credentials file")
    if settings.nkey_file:
        options["nkeys_seed"] = _existing(settings.nkey_file, "nkey file")
    if settings.tls_ca_file or settings.tls_cert_file:
        options["tls"] = _tls_context(settings)
    return options


def _tls_context(settings: ConnectionSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    try:
        if settings.tls_ca_file:
            context.load_verify_locations(_existing(settings.tls_ca_file, "TLS CA file"))
        if settings.tls_cert_file:
            key = _existing(settings.tls_key_file, "TLS key file") if settings.tls_key_file else None
            context.load_cert_chain(_existing(settings.tls_cert_file, "TLS certificate"), key)
    except (ssl.SSLError, OSError) as error:
        raise InvalidInput(f"Connection {settings.name}: the TLS files cannot be used: {error}.") from error
    return context


def _existing(path: str, what: str) -> str:
    if not Path(path).is_file():
        raise InvalidInput(f"The {what} {path} does not exist or is not a file.")
    return path
