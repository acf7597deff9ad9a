"""This module is the pages of read models: where they lie, queries over a bucket of them, one model, indexes over their fields."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.persistence.errors import InvalidInput
from apps.persistence.queries import IndexStrategy
from apps.persistence.read_models import READ_MODELS_BUCKET, SortDirection

from . import asked
from .model import read_model
from .models import list_models
from .query import add_index, drop_index, read_models_page
from .query_form import OPS, SIZES, QueryForm

QUERY_SECONDS = 30.0
_CHOICES = {
    "ops": [(op.value, words) for op, words in OPS.items()],
    "directions": [direction.value for direction in SortDirection],
    "strategies": [strategy.value for strategy in IndexStrategy],
    "sizes": SIZES,
}


@require_safe
@permission_required("storage.view")
def index(request: HttpRequest) -> HttpResponse:
    """Every bucket of models."""
    return render(request, "storage/models.html", {"listing": ask(list_models), "readers": READ_MODELS_BUCKET})


@require_safe
@permission_required("storage.view")
def query(request: HttpRequest, bucket: str) -> HttpResponse:
    """The models of a bucket that meet a query, and how they were found."""
    page = ask(read_models_page, bucket, QueryForm.from_get(request.GET), timeout_seconds=QUERY_SECONDS)
    context = {"page": page, "models": page.models, "form": page.form, "answer": page.answer, "choices": _CHOICES}
    return render(request, "storage/query.html", context, status=400 if page.problem else 200)


@require_safe
@permission_required("storage.view")
def model(request: HttpRequest, bucket: str) -> HttpResponse:
    """One model."""
    given = request.GET
    one = ask(read_model, bucket, given.get("key", ""), asked.key_query(given), events_before=asked.number(given, "events_before"))
    return render(request, "storage/model.html", {"one": one, "view": one.view, "bucket": one.view.bucket, "models": one.models})


@require_POST
@permission_required("storage.index")
def indexes(request: HttpRequest, bucket: str) -> HttpResponse:
    """Add an index over fields, or drop one."""
    given = request.POST
    name = given.get("name", "").strip()
    try:
        if given.get("act") == "drop":
            ask(drop_index, bucket, name)
            messages.success(request, f"The index {name} is dropped.")
        else:
            made = ask(add_index, bucket, name, given.get("fields", ""), given.get("pattern", ""), timeout_seconds=QUERY_SECONDS)
            messages.success(request, f"The index {made.name} over {', '.join(made.fields)} is filled and follows the bucket.")
    except InvalidInput as error:
        messages.error(request, str(error))
    return redirect("storage:query", bucket)
