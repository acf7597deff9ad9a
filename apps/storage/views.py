"""This module is the storage pages: buckets, the keys or objects of one, one key, one object."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.display.figures import size as in_words
from apps.display.object_download import send_object
from apps.persistence.errors import InvalidInput

from . import asked
from .buckets import list_buckets
from .key import read_key, read_value
from .keys import read_keys
from .objects import CHECKED_BYTES, DOWNLOAD_BYTES, read_object_view, read_objects, token_of

CHECK_SECONDS = 60.0


@require_safe
@permission_required("storage.view")
def index(request: HttpRequest) -> HttpResponse:
    """Every bucket, of keys or of objects."""
    given = request.GET
    listing = ask(list_buckets, text=given.get("q", "").strip(), kind=asked.kind_of(given), page=asked.page_number(given))
    return render(request, "storage/index.html", {"listing": listing})


@require_safe
@permission_required("storage.view")
def keys(request: HttpRequest, bucket: str) -> HttpResponse:
    """A page of the keys of a bucket."""
    page = ask(read_keys, bucket, asked.keys_query(request.GET))
    return render(request, "storage/keys.html", {"page": page, "bucket": page.bucket}, status=400 if page.problem else 200)


@require_safe
@permission_required("storage.view")
def key(request: HttpRequest, bucket: str) -> HttpResponse:
    """One key with its history."""
    view = ask(read_key, bucket, request.GET.get("key", ""), asked.key_query(request.GET))
    return render(request, "storage/key.html", {"view": view, "bucket": view.bucket})


@require_safe
@permission_required("storage.download")
def value(request: HttpRequest, bucket: str) -> HttpResponse:
    """The bytes of one revision."""
    message = ask(read_value, bucket, request.GET.get("key", ""), asked.number(request.GET, "revision") or 0)
    headers = {"Content-Disposition": content_disposition_header(True, f"{bucket}-{message.sequence}.bin") or ""}
    return HttpResponse(message.data, content_type="application/octet-stream", headers=headers)


@require_safe
@permission_required("storage.view")
def objects(request: HttpRequest, bucket: str) -> HttpResponse:
    """A page of the objects of a store; with a name, the object of that name."""
    if name := request.GET.get("name", ""):
        return redirect(f"{reverse('storage:object', args=[bucket])}?{urlencode({'record': token_of(name)})}")
    page = ask(read_objects, bucket, asked.number(request.GET, "before"))
    return render(request, "storage/objects.html", {"page": page, "bucket": page.bucket})


@require_safe
@permission_required("storage.view")
def one_object(request: HttpRequest, bucket: str) -> HttpResponse:
    """One object by its record."""
    return _object(request, bucket, is_checked=False)


@require_safe
@permission_required("storage.check")
def check(request: HttpRequest, bucket: str) -> HttpResponse:
    """The same, hashed again."""
    return _object(request, bucket, is_checked=True)


@require_safe
@permission_required("storage.download")
def download(request: HttpRequest, bucket: str) -> HttpResponseBase:
    """The bytes of an object. Raises InvalidInput for one that is too large, or has none."""
    record = ask(read_object_view, bucket, request.GET.get("record", "")).record
    if not record.may_download:
        raise InvalidInput(
            f"{record.name} has {in_words(record.size)}, and what has at most {in_words(DOWNLOAD_BYTES)} can be downloaded here; "
            f"use `nats object get {bucket}`."
        )
    return send_object(record.stored)


def _object(request: HttpRequest, bucket: str, *, is_checked: bool) -> HttpResponse:
    view = ask(read_object_view, bucket, request.GET.get("record", ""), is_checked=is_checked, timeout_seconds=CHECK_SECONDS)
    limits = {"checked": CHECKED_BYTES, "download": DOWNLOAD_BYTES}
    return render(request, "storage/object.html", {"view": view, "bucket": view.bucket, "record": view.record, "limits": limits})
