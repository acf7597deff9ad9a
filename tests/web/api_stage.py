"""This module is a program that uses the API: it sends its token, and holds every answer to the OpenAPI document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.test import Client

from apps.accounts.tokens import TokenRights, create_token
from apps.api.document import make_document
from apps.runs.catalogue import choices

from .conftest import Visitor
from .json_schema import violations
from .working_console import wait_until

V1 = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


class Program:
    """Sends requests with a token. It has no cookies."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._client = Client(raise_request_exception=False)

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, **body: Any) -> Answer:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, text: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        response = self._client.generic(method, V1 + path, text, content_type="application/json", headers=headers)
        body = json.loads(response.content) if response.content else None
        check_answer(method, path, response.status_code, response.headers["Content-Type"], body)
        return Answer(status=response.status_code, body=body, headers=dict(response.headers))

    def plan(self, operation: str, **parameters: Any) -> dict[str, Any]:
        answer = self.post(f"/operations/{operation}/plan", parameters=parameters)
        assert answer.status == 200, answer.body
        plan: dict[str, Any] = answer.body
        return plan

    def start(self, operation: str, *, reason: str = "because", **parameters: Any) -> str:
        """Plan and confirm; the run's id."""
        answer = self.post(f"/operations/{operation}/confirm", plan=self.plan(operation, **parameters)["plan"], reason=reason)
        assert answer.status == 202, answer.body
        return str(answer.body["run"])

    def wait_for(self, run_id: str, state: str) -> dict[str, Any]:
        """The run once it is in this state."""
        wait_until(lambda: self.get(f"/runs/{run_id}").body["state"] == state, f"the run {run_id} never was {state}")
        found: dict[str, Any] = self.get(f"/runs/{run_id}").body
        return found


def program_of(visitor: Visitor, rights: TokenRights | None = None) -> Program:
    """A program that has a token of this person."""
    return Program(create_token(visitor.person, "nightly", days=1, rights=rights).secret)


def check_answer(method: str, path: str, status: int, content_type: str, body: Any) -> None:
    """The document describes this very answer: status, content type and every field."""
    document = make_document(choices())
    act = _act_for(document, method, path.partition("?")[0])
    if act is None:
        assert content_type == "application/problem+json", f"{method} {path} is in no document, and answers {content_type}"
        schema = {"$ref": "#/components/schemas/Problem"}
    else:
        assert str(status) in act["responses"], f"{method} {path} answers {status}, which the document does not say: {body}"
        content = act["responses"][str(status)]["content"]
        assert content_type in content, f"{method} {path} answers {content_type}"
        schema = content[content_type]["schema"]
    assert method == "HEAD" or violations(body, schema, document) == []


def _act_for(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """What the document says of an address: an exact path before one with places to fill in."""
    patterns = sorted(document["paths"], key=lambda pattern: "{" in pattern)
    for pattern in patterns:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            item = document["paths"][pattern]
            found: dict[str, Any] | None = item.get(method.lower()) or next((item[one] for one in ("get", "post") if one in item), None)
            return found
    return None
