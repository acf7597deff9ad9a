"""This module is the pages of a stream's log: a checkpoint to take away, and the verdict on one that somebody kept."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.persistence.errors import NotFound
from apps.persistence.log.checkpoints import Checkpoint, parse_checkpoint
from apps.persistence.log.judging import Judgement, judge_checkpoint
from apps.persistence.log.notes import MAX_NOTE_BYTES, parse_note
from apps.persistence.log.published import CHECKPOINTS_KEPT, Published, published_before
from apps.persistence.store import Store
from apps.registry import trust_of

JUDGE_SECONDS = 30.0
ECHOED_BYTES = 4_000
"""What was brought is given back in the form up to this size; no checkpoint of ours is longer."""


@require_safe
@permission_required("audit.export")
def checkpoint(request: HttpRequest, name: str) -> HttpResponse:
    """The newest checkpoint, or the newest of the size that is asked for, exactly as it was signed."""
    kept = ask(_published, name)
    size = request.GET.get("size", "")
    found = next((one for one in kept if not size or str(_said(one).size) == size), None)
    if found is None:
        raise NotFound(f"No checkpoint of {name[:80]} at {size[:20] or 'any size'} is kept; the newest {CHECKPOINTS_KEPT} are.")
    answer = HttpResponse(found.note, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}-{_said(found).size}.checkpoint"'
    return answer


@require_POST
@permission_required("audit.verify")
def judge(request: HttpRequest, name: str) -> HttpResponse:
    """The verdict on a checkpoint that was brought as a file or as text."""
    raw = _brought(request)
    if not raw:
        messages.error(request, "No checkpoint came with the request; choose its file, or paste its text.")
        return redirect("audit:stream", name)
    judgement: Judgement = ask(_judge, name, raw, timeout_seconds=JUDGE_SECONDS)
    text = raw.decode(errors="replace") if len(raw) <= ECHOED_BYTES else ""
    return render(request, "audit/judgement.html", {"name": name, "judgement": judgement, "text": text, "is_long": not text})


def _brought(request: HttpRequest) -> bytes:
    """A file as it is; of pasted text the line ends that browsers change are put right, and empty lines around it are left out."""
    file = request.FILES.get("file")
    if file is not None:
        return file.read(MAX_NOTE_BYTES + 1)
    text = request.POST.get("text", "").replace("\r\n", "\n").strip(" \t\n")
    return f"{text}\n".encode() if text else b""


def _said(published: Published) -> Checkpoint:
    """What a published note says; it is handed out as it is, so nothing is verified here."""
    return parse_checkpoint(parse_note(published.note).text)


async def _published(store: Store, name: str) -> list[Published]:
    return await published_before(store.connection, name)


async def _judge(store: Store, name: str, raw: bytes) -> Judgement:
    return await judge_checkpoint(store.connection, name, raw, trust_of(store.connection))
