"""This module is how settings read the environment: one typed function a kind of value, each failing with the variable's name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_CONNECTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_VKEY = r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}"
_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off", ""}
_ENGINES = {"sqlite": "sqlite3", "postgres": "postgresql", "postgresql": "postgresql"}

Connection = dict[str, str]
"""The fields of a `ConnectionSettings` by name, without the connection's own name."""

LAYERS = ("container", "leaf", "cluster", "super_cluster")
"""To where events may climb; they are `Scope` without local."""

CONNECTION_FIELDS = frozenset({
    "url", "user", "password", "credentials_file", "nkey_file", "tls_ca_file", "tls_cert_file", "tls_key_file",
    "domain", "api_prefix", "monitor_url", "inbox_prefix",
})  # fmt: skip


def text(name: str, default: str | None = None) -> str:
    """The variable's value without the spaces around it; without a default it must be set."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set; set it in the environment of this process.")
    return value


def flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() not in _YES | _NO:
        raise ImproperlyConfigured(f"{name} is {value!r}; it can be 1 or 0.")
    return value.strip().lower() in _YES


def vkey(name: str, *, address_first: bool = False) -> str:
    """A public key as the signer or a witness says it, `name+8 hex digits+base64`, or nothing; after a witness's address and a space."""
    value = text(name, "")
    form = rf"https?://\S+ {_VKEY}" if address_first else _VKEY
    if value and not re.fullmatch(form, value):
        said = "the address of a witness, a space, and its vkey" if address_first else "a vkey"
        raise ImproperlyConfigured(f"{name} is {value[:120]!r}, which is not {said}; copy it as the program said it when it started.")
    return value


def megabytes(name: str, *, default: int) -> int:
    """So many megabytes, as bytes."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1_000_000):
        raise ImproperlyConfigured(f"{name} is {value!r}; it can be a whole number of megabytes, from 1.")
    return int(value) * 1_000_000


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, without empty entries."""
    return [word for part in text(name, default).split(",") if (word := part.strip())]


def origins(name: str) -> list[str]:
    """Whole origins: scheme, host and, where it is not the scheme's own, port."""
    found = words(name)
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
            raise ImproperlyConfigured(
                f"{name} holds {origin!r}; write whole origins such as https://cim.example.org or http://10.0.0.4:8000."
            )
    return found


def folder(name: str) -> Path:
    """A folder that this process can write to; it is made where it is absent."""
    path = Path(text(name)).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refused = f"{name} is {str(path)!r}, which cannot be made: {error.strerror}; name a folder this user can write to."
        raise ImproperlyConfigured(refused) from error
    if not os.access(path, os.W_OK):
        raise ImproperlyConfigured(f"{name} is {str(path)!r}, which this user cannot write to; change its owner or name another folder.")
    return path


def secret(name: str) -> str:
    """The variable itself, or the content of the file that `{name}_FILE` names; at least 32 characters."""
    file_name = os.environ.get(f"{name}_FILE", "").strip()
    if not file_name and not os.environ.get(name, "").strip():
        raise ImproperlyConfigured(f"Neither {name}_FILE nor {name} is set; name a file that holds 32 random characters or more.")
    try:
        value = Path(file_name).read_text(encoding="utf-8").strip() if file_name else text(name)
    except OSError as error:
        refused = f"{name}_FILE is {file_name!r}, which cannot be read: {error.strerror}; create it or correct the path."
        raise ImproperlyConfigured(refused) from error
    if len(value) < 32:
        source = f"{name}_FILE" if file_name else name
        raise ImproperlyConfigured(f"{source} gives {len(value)} characters; a secret key needs at least 32.")
    return value


def database(name: str, *, default: Path) -> dict[str, object]:
    """Django's settings of one database from a URL: `sqlite:////path/to/file` or `postgres://user:password@host:port/name`."""
    url = os.environ.get(name, "").strip() or f"sqlite:///{default}"
    parts = urlsplit(url)
    if parts.scheme not in _ENGINES:
        raise ImproperlyConfigured(f"{name} has the scheme {parts.scheme!r}; it can be sqlite or postgres.")
    if _ENGINES[parts.scheme] == "sqlite3":
        return _sqlite(unquote(parts.path.removeprefix("/")))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


def _sqlite(path: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        },
    }


def connection(prefix: str, *, default_url: str) -> Connection:
    """The connection that `{prefix}_URL`, `{prefix}_USER` and so on describe; what is unset is left out."""
    variables = {
        "url": "URL", "user": "USER", "password": "PASSWORD", "credentials_file": "CREDENTIALS", "nkey_file": "NKEY",
        "tls_ca_file": "TLS_CA", "tls_cert_file": "TLS_CERT", "tls_key_file": "TLS_KEY",
        "domain": "DOMAIN", "api_prefix": "API_PREFIX", "monitor_url": "MONITOR_URL", "inbox_prefix": "INBOX_PREFIX",
    }  # fmt: skip
    found = {field: value for field, suffix in variables.items() if (value := os.environ.get(f"{prefix}_{suffix}", "").strip())}
    if bool(found.get("tls_cert_file")) != bool(found.get("tls_key_file")):
        raise ImproperlyConfigured(f"{prefix}_TLS_CERT and {prefix}_TLS_KEY belong together; set both or neither.")
    return {"url": default_url, **found}


def connections(name: str) -> dict[str, Connection]:
    """Named connections from JSON: `{"berlin": {"url": "nats://…", "credentials_file": "…"}}`."""
    value = os.environ.get(name, "").strip()
    try:
        found = json.loads(value) if value else {}
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON ({error}); write an object of connections by name.") from error
    if not isinstance(found, dict) or not all(isinstance(fields, dict) for fields in found.values()):
        raise ImproperlyConfigured(f'{name} must be an object of objects, such as {{"berlin": {{"url": "nats://10.0.0.4:4222"}}}}.')
    for connection_name, fields in found.items():
        _check_fields(name, connection_name, fields)
    return found


def links(name: str, *, node: str, known: Mapping[str, object]) -> dict[str, str]:
    """`berlin=cluster,region=super_cluster`: observed connections that this node's events travel to, and the layer of each."""
    found: dict[str, str] = {}
    for word in words(name):
        connection_name, _, layer = word.partition("=")
        if layer not in LAYERS:
            raise ImproperlyConfigured(f"{name} holds {word!r}; write name=layer, where layer is one of {', '.join(LAYERS)}.")
        if connection_name not in known:
            raise ImproperlyConfigured(f"{name} names {connection_name!r}, which CIM_OBSERVED does not; describe that connection there.")
        found[connection_name] = layer
    if found and not _CONNECTION_NAME.fullmatch(node):
        raise ImproperlyConfigured(f"{name} needs CIM_NODE, the name of this node among all: up to 40 letters, digits, - and _.")
    return found


def _check_fields(name: str, connection_name: str, fields: dict[str, object]) -> None:
    if not _CONNECTION_NAME.fullmatch(connection_name) or connection_name == "home":
        rule = "use up to 40 letters, digits, - and _, and not home, which is the console's own"
        raise ImproperlyConfigured(f"{name}: a connection cannot be called {connection_name!r}; {rule}.")
    if unknown := set(fields) - CONNECTION_FIELDS:
        known = ", ".join(sorted(CONNECTION_FIELDS))
        raise ImproperlyConfigured(f"{name}: {connection_name!r} has the unknown field {min(unknown)!r}; there are {known}.")
    if not fields.get("url") or not all(isinstance(value, str) for value in fields.values()):
        raise ImproperlyConfigured(f"{name}: {connection_name!r} needs a url, and every field as text.")
    if sum(field in fields for field in ("user", "credentials_file", "nkey_file")) > 1:
        raise ImproperlyConfigured(f"{name}: {connection_name!r} has more than one of user, credentials_file and nkey_file; give one.")
    if "domain" in fields and "api_prefix" in fields:
        raise ImproperlyConfigured(f"{name}: {connection_name!r} has both domain and api_prefix; give one.")
    if ("tls_cert_file" in fields) != ("tls_key_file" in fields):
        raise ImproperlyConfigured(f"{name}: {connection_name!r} has one of tls_cert_file and tls_key_file; give both or neither.")
