"""This module is the heads manifest of a stream to take away."""

from __future__ import annotations

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.display.object_download import send_object
from apps.persistence.errors import NotFound
from apps.persistence.heads import Manifest, check_bytes
from apps.persistence.store import Store, StoredObject

from .heads import newest_heads

CHECK_SECONDS = 30.0


@require_safe
@permission_required("audit.export")
def manifest(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The newest manifest, exactly as it was recorded; what is something else now is not handed out."""
    found = ask(newest_heads, name)
    if found is None:
        raise NotFound(f"No heads of {name[:80]} are recorded yet; record-heads does that.")
    return send_object(ask(_checked, found, timeout_seconds=CHECK_SECONDS), name=f"{name}-{found.sequence}.heads.cbor")


async def _checked(store: Store, found: Manifest) -> StoredObject:
    return await check_bytes(store.connection, found)
