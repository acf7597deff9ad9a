"""This module is the search page: straight to the one thing that was found, else a short list, else what was tried."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.keeper import HOME

from .find import find

SEARCH_SECONDS = 20.0
_STREAM_PAGE = re.compile(r"(?:/at/[^/]+)?/streams/([^/]+)/")


@require_safe
@permission_required("search.view")
def search(request: HttpRequest, connection: str = HOME) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    if not text:
        return render(request, "search/search.html", {"text": ""})
    found = ask(find, text, viewed_stream=_viewed_stream(request), timeout_seconds=SEARCH_SECONDS, connection=connection)
    if found.only is not None:
        return redirect(found.only.address)
    return render(request, "search/search.html", {"text": text, "found": found}, status=404 if found.is_empty else 200)


def _viewed_stream(request: HttpRequest) -> str:
    """The stream on whose page the person typed, if it was one of our pages."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    at_stream = _STREAM_PAGE.match(came_from.path) if came_from.netloc == request.get_host() else None
    return unquote(at_stream[1]) if at_stream else ""
