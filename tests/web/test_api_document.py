"""This module is the tests of the OpenAPI document: made from the operations, whole in itself, and what is answered is what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from apps.api.document import make_document, parameters_schema
from apps.persistence.operations import OPERATIONS
from apps.runs.catalogue import Choice, choices
from tests.persistence.trial_operations import Count

from .api_stage import program_of
from .conftest import Visitor
from .json_schema import violations

COUNT = Choice(name="count", kind=Count)  # type: ignore[arg-type]


def references_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references_in(held) for held in value.values()))
    return set().union(*map(references_in, value)) if isinstance(value, list) else set()


def test_document_plans_every_operation_and_refers_to_nothing_that_is_not_there(viewer: Visitor) -> None:
    document = program_of(viewer).get("/openapi.json").body

    assert document["openapi"] == "3.1.0"
    assert {path.split("/")[2] for path in document["paths"] if path.endswith("/plan")} == set(OPERATIONS)
    names = [acts[method]["operationId"] for acts in document["paths"].values() for method in acts if method != "parameters"]
    assert len(set(names)) == len(names)
    assert {"get_runs", "post_runs_run_cancel", "post_operations_create_stream_plan"} <= set(names)
    assert references_in(document) == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_each_kind_of_parameter_has_the_schema_of_its_values() -> None:
    schema = parameters_schema(COUNT)["properties"]

    assert {name: one["type"] for name, one in schema.items()} == {
        "to": ["integer", "null"],
        "name": ["string", "null"],
        "how": ["string", "null"],
        "fruit": ["string", "null"],
        "fruits": ["array", "null"],
        "start": ["string", "integer", "null"],
        "note": ["string", "null"],
        "most": ["integer", "null"],
        "is_exact": ["boolean", "null"],
    }
    assert schema["how"]["enum"] == ["up", "down", None]
    assert schema["is_exact"]["default"] is True


@pytest.mark.parametrize(
    ("value", "is_allowed"),
    [
        ({}, True),
        ({"to": 5, "how": "up", "fruits": ["pear"], "start": 3}, True),
        ({"to": None, "start": "10 minutes ago"}, True),
        ({"to": 0}, False),
        ({"to": True}, False),
        ({"how": "sideways"}, False),
        ({"fruits": "pear"}, False),
        ({"colour": "red"}, False),
    ],
)
def test_schema_allows_what_the_api_takes_and_nothing_else(value: dict[str, object], is_allowed: bool) -> None:
    assert (violations(value, parameters_schema(COUNT), {}) == []) is is_allowed


def test_answer_other_than_the_document_says_is_noticed() -> None:
    document = make_document(choices())

    found = violations({"run": 7, "url": "/", "more": 1}, {"$ref": "#/components/schemas/Started"}, document)

    assert sorted(found) == [
        "$.run: 7 is not of type ['string']",
        "$: more is in no schema",
        "$: requests_waiting is missing",
        "$: workers_alive is missing",
    ]


def test_head_is_answered_without_a_body(viewer: Visitor) -> None:
    answer = program_of(viewer).send("HEAD", "/openapi.json")

    assert (answer.status, answer.body) == (200, None)


def test_host_that_is_not_ours_is_a_problem_too() -> None:
    response = Client(raise_request_exception=False).get("/api/v1/runs", headers={"Host": "evil.example.org"})

    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert json.loads(response.content)["type"] == "/api/v1/problems/invalid-input"
