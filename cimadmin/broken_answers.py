"""This module is an answer that fails after its first byte: Daphne leaves its connection open, and a browser would wait for ever."""

from __future__ import annotations

from typing import Any

from daphne.http_protocol import WebRequest

_answer_with_error = WebRequest.handle_exception


def close_broken_answers() -> None:
    """From now on Daphne closes the connection of an answer that fails when it has begun, so that the download is seen to be broken."""
    WebRequest.handle_exception = _handle_exception  # type: ignore[method-assign]


def _handle_exception(request: Any, exception: BaseException) -> None:
    if not request._response_started:
        _answer_with_error(request, exception)
    elif request.channel is not None and not request.finished:
        request.channel.loseConnection()
