"""This module is writing JSON answers."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse


def json_response(body: Any, *, status: int = 200, content_type: str = "application/json") -> HttpResponse:
    """The body as JSON text in UTF-8."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return HttpResponse(text.encode(), status=status, content_type=content_type)
