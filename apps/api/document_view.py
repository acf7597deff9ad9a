"""This module is the address of the document that describes the API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.accounts.tokens import Grant
from apps.runs.catalogue import choices

from .access import endpoint
from .document import make_document
from .writing import json_response


@endpoint("GET", "runs.view")
def openapi(request: HttpRequest, grant: Grant) -> HttpResponse:
    return json_response(make_document(choices()))
