"""This module is the check of a socket's origin: scheme, host and port must be ours, or another site could use a person's cookies."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import split_domain_port, validate_host

Scope = dict[str, Any]


class OnlyOwnOrigin:
    """Sockets of other origins, and those that name none, are closed before they open."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        if is_own_origin(scope):
            return await self.application(scope, receive, send)
        return await _Denied.as_asgi()(scope, receive, send)


class _Denied(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.close()


def is_own_origin(scope: Scope) -> bool:
    """Whether the Origin header is one of CIM_ORIGINS or, where none is set, exactly the address that was asked for."""
    headers = {name.lower(): value.decode("latin1") for name, value in scope.get("headers", [])}
    origin = headers.get(b"origin", "").lower()
    if settings.CIM_ORIGINS:
        return origin in {allowed.lower() for allowed in settings.CIM_ORIGINS}
    host = headers.get(b"host", "").lower()
    domain, _ = split_domain_port(host)
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    return validate_host(domain, settings.ALLOWED_HOSTS) and origin == f"{scheme}://{host}"
