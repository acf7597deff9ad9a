"""This module is an application for Daphne whose answer fails when half of it is sent."""

from __future__ import annotations

from typing import Any

from cimadmin.broken_answers import close_broken_answers

close_broken_answers()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"10")]})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    raise RuntimeError("the second half is gone")
