"""This module is the files pages: what there is, a download, an upload."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.display.figures import size as in_words
from apps.display.object_download import send_object
from apps.persistence.store import Store
from apps.persistence.transfer import UPLOADS_KEPT_SECONDS, File, get_file, list_files
from apps.persistence.transfer.evidence_texts import VERIFIERS

from .upload import keep_upload


@require_safe
@permission_required("files.view")
def index(request: HttpRequest) -> HttpResponse:
    days = UPLOADS_KEPT_SECONDS // 86_400
    context = {"files": ask(_list), "limit": settings.CIM_UPLOAD_LIMIT, "days": days, "verifiers": [path.name for path in VERIFIERS]}
    return render(request, "files/index.html", context)


@require_safe
@permission_required("files.download")
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    file = ask(_get, name)
    return send_object(file.stored, name=file.name)


@require_safe
@permission_required("files.view")
def verifier(request: HttpRequest, name: str) -> HttpResponse:
    """A verifier of evidence, for whoever has a file and no repository; never shown as a page of this site."""
    found = next((path for path in VERIFIERS if path.name == name), None)
    if found is None:
        raise Http404(f"There is no verifier {name[:80]}.")
    headers = {"Content-Disposition": f'attachment; filename="{found.name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(found.read_bytes(), content_type="application/octet-stream", headers=headers)


@require_POST
@permission_required("files.upload")
def upload(request: HttpRequest) -> HttpResponse:
    given = request.FILES.get("file")
    if given is None or given.size is None:
        messages.error(request, "No file came with the request; choose one first.")
    elif given.size > settings.CIM_UPLOAD_LIMIT:
        messages.error(
            request,
            f"{given.name} has {in_words(given.size)}, and at most {in_words(settings.CIM_UPLOAD_LIMIT)} are taken (CIM_UPLOAD_MEGABYTES).",
        )
    else:
        kept = keep_upload(given, by=request.user.get_username())
        messages.success(request, f"{kept.name} is here, {in_words(kept.size)}, SHA-256 {kept.digest}.")
    return redirect("files:index")


async def _list(store: Store) -> list[File]:
    return await list_files(store.connection)


async def _get(store: Store, name: str) -> File:
    return await get_file(store.connection, name)
