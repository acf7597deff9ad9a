"""This module is the heads manifest of a stream on its page: what it names, and its bytes to take away."""

from __future__ import annotations

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.display.object_download import send_object
from apps.persistence.errors import InvalidInput
from apps.persistence.heads import Manifest, check_bytes, find_manifest
from apps.persistence.store import Store, StoredObject

CHECK_SECONDS = 30.0


@require_safe
@permission_required("audit.export")
def manifest(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The newest manifest, exactly as it was recorded; what is something else now is not handed out."""
    found = ask(read_heads, name)
    if found is None:
        raise Http404(f"No heads of {name} are recorded yet.")
    return send_object(ask(_checked, found, timeout_seconds=CHECK_SECONDS), name=f"{name}-{found.sequence}.heads.cbor")


async def read_heads(store: Store, name: str) -> Manifest | None:
    """What the newest record of a stream's heads says, or None; also where something else was written in its place."""
    try:
        return await find_manifest(store, name)
    except InvalidInput:
        return None


async def _checked(store: Store, found: Manifest) -> StoredObject:
    return await check_bytes(store.connection, found)
