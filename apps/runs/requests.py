"""This module is a plan as requests to the API: what plans and confirms the same from a shell, with a token that is not written there."""

from __future__ import annotations

import json
import shlex

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from apps.persistence.work.parameters import stored_values

from .plans import Review

_CURL = 'curl -sS --fail-with-body -H "Authorization: Bearer $CIM_TOKEN"'


def equivalent_request(review: Review, address: str) -> str:
    """Two requests, `address` being that of the plan; the reason is to be filled in. Parameters that have their default are left out."""
    confirmation = {"reason": "…"} | ({"confirm_with": review.plan.confirm_with} if review.plan.confirm_with else {})
    members = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in confirmation.items())
    return " \\\n".join(
        (
            f"{_CURL} -d {shlex.quote(_text({'parameters': _parameters(review)}))}",
            f"  {shlex.quote(address)}",
            f"| jq {shlex.quote(f'{{plan, {members}}}')}",
            f"| {_CURL} -d @-",
            f"  {shlex.quote(address.removesuffix('plan') + 'confirm')}",
        )
    )


def address_of(request: HttpRequest, view: str, *arguments: str) -> str:
    """Where programs reach a view: under the origin that browsers use, as a proxy before the console may speak another scheme."""
    host = f"//{request.get_host()}"
    origin = next((origin for origin in settings.CIM_ORIGINS if origin.endswith(host)), f"{request.scheme}:{host}")
    return origin + reverse(view, args=arguments)


def _parameters(review: Review) -> dict[str, object]:
    values = stored_values(review.operation)
    defaults = {one.name: list(one.default) if isinstance(one.default, tuple) else one.default for one in review.choice.parameters}
    return {name: value for name, value in values.items() if value is not None and value != defaults[name]}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
