"""This module is the OpenAPI 3.1 document, made from the operations as they are declared and the shapes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from apps.runs.catalogue import Choice
from apps.runs.listing import FILTERS

from .offers import parameter_schema
from .problems import KINDS
from .run_shapes import STATES, RunDetailShape, RunsShape
from .schema import name_of, reference_to, schema_of, shapes_in
from .shapes import (
    AcceptedShape,
    ConfirmBody,
    DryRunBody,
    LimitBody,
    NoBody,
    OperationShape,
    OperationsShape,
    PlanBody,
    PlanShape,
    ProblemKindShape,
    ProblemShape,
    StartedShape,
)

VERSION: Final = "1"
JSON, PROBLEM_JSON = "application/json", "application/problem+json"
_EVERYWHERE = (401, 403, 405, 503)
_HELP = {
    "state": f"Only runs in this state: {', '.join(STATES[2:])}.",
    "operation": "Only runs of this operation.",
    "person": "Only runs that this person asked for.",
    "target": "Only runs whose target holds this text.",
    "since": "Asked for at this time or later: 2026-11-21T10:40 (UTC), or an age such as 2 hours ago.",
    "until": "Asked for before this time.",
    "before": "Older than this run: `older` of the page before.",
}

Map = dict[str, Any]


def make_document(choices: Sequence[Choice]) -> Map:
    """The document for these operations."""
    answers = (OperationsShape, OperationShape, PlanShape, StartedShape, RunsShape, RunDetailShape, AcceptedShape, ProblemShape)
    bodies = (DryRunBody, ConfirmBody, LimitBody, NoBody, ProblemKindShape)
    shapes = sorted({inner for shape in (*answers, *bodies) for inner in shapes_in(shape)}, key=name_of)
    plans = {f"Plan_{choice.name}": _plan_schema(choice) for choice in choices}
    return {
        "openapi": "3.1.0",
        "info": {"title": "CIM console", "version": VERSION, "summary": "Plan, start and follow operations, as on the console's pages."},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": _identified({**_operation_paths(choices), **_run_paths(), **_other_paths()}),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token of the page Tokens."}},
            "schemas": {name_of(shape): schema_of(shape) for shape in shapes} | plans,
        },
    }


def _identified(paths: Map) -> Map:
    """Each act under the name by which generated clients call it: its method and the words of its path, such as get_runs_run."""
    for path, acts in paths.items():
        words = "_".join(part.strip("{}") for part in path.removesuffix(".json").replace("-", "_").strip("/").split("/"))
        for method in acts.keys() - {"parameters"}:
            acts[method] = {"operationId": f"{method}_{words}", **acts[method]}
    return paths


def parameters_schema(choice: Choice) -> Map:
    """What `parameters` of an operation may hold."""
    required = [one.name for one in choice.parameters if one.is_required and one.kind != "switch"]
    return {
        "type": "object",
        "properties": {parameter.name: parameter_schema(parameter) for parameter in choice.parameters},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _plan_schema(choice: Choice) -> Map:
    both = schema_of(PlanBody)
    return {**both, "properties": {**both["properties"], "parameters": parameters_schema(choice)}}


def _operation_paths(choices: Sequence[Choice]) -> Map:
    given = [{"name": "operation", "in": "path", "required": True, "schema": {"type": "string", "enum": [one.name for one in choices]}}]
    paths = {
        "/operations": {"get": _act("Every operation with its parameters", {200: OperationsShape})},
        "/operations/{operation}": {
            "get": _act("One operation, with the values that its parameters may have now", {200: OperationShape}, more=(404,)),
            "parameters": given,
        },
    }
    for choice in choices:
        act = _act(f"Plan: {choice.title}. {choice.description}", {200: PlanShape}, more=(400, 404, 409, 413, 502))
        body = {"$ref": f"#/components/schemas/Plan_{choice.name}"}
        paths[f"/operations/{choice.name}/plan"] = {"post": {**act, "requestBody": {"content": {JSON: {"schema": body}}, "required": True}}}
    started = {202: StartedShape}
    paths["/operations/{operation}/dry-run"] = {
        "post": _act("Start the dry run of a plan: it only reads", started, body=DryRunBody, more=(400, 404, 409, 413)),
        "parameters": given,
    }
    paths["/operations/{operation}/confirm"] = {
        "post": _act("Confirm a plan: the run starts", started, body=ConfirmBody, more=(400, 404, 409, 413)),
        "parameters": given,
    }
    return paths


def _run_paths() -> Map:
    filters = [{"name": name, "in": "query", "description": _HELP[name], "schema": {"type": "string"}} for name in FILTERS]
    given = [{"name": "run", "in": "path", "required": True, "schema": {"type": "string"}}]
    words = {"pause": "Pause a run after the batch at hand", "resume": "Let a paused run go on", "cancel": "End a run for good"}
    moves = {
        f"/runs/{{run}}/{word}": {
            "post": _act(summary, {202: AcceptedShape}, body=NoBody, more=(400, 404, 409, 413)),
            "parameters": given,
        }
        for word, summary in words.items()
    }
    limit = _act("Change how much a second a run may do", {202: AcceptedShape}, body=LimitBody, more=(400, 404, 409, 413))
    return {
        "/runs": {"get": {**_act("Runs, newest first, 50 a page", {200: RunsShape}, more=(400,)), "parameters": filters}},
        "/runs/{run}": {
            "get": _act("One run, from its request to its outcome", {200: RunDetailShape}, more=(400, 404)),
            "parameters": given,
        },
        **moves,
        "/runs/{run}/limit": {"post": limit, "parameters": given},
    }


def _other_paths() -> Map:
    named = [{"name": "problem", "in": "path", "required": True, "schema": {"type": "string", "enum": list(KINDS)}}]
    document = _act("This document", {})
    document["responses"]["200"] = _answer("OpenAPI 3.1", {"type": "object"}, JSON)
    kind = _act("What the type of a problem stands for", {200: ProblemKindShape}, more=(404,))
    return {"/openapi.json": {"get": document}, "/problems/{problem}": {"get": {**kind, "security": []}, "parameters": named}}


def _act(summary: str, answers: dict[int, type[Any]], *, body: type[Any] | None = None, more: tuple[int, ...] = ()) -> Map:
    good = {str(status): _answer("Done" if status == 200 else "Stored", reference_to(shape), JSON) for status, shape in answers.items()}
    bad = {str(status): _answer(_problems_of(status), reference_to(ProblemShape), PROBLEM_JSON) for status in sorted({*_EVERYWHERE, *more})}
    content = {"requestBody": {"content": {JSON: {"schema": reference_to(body)}}, "required": body is not NoBody}} if body else {}
    return {"summary": summary, **content, "responses": {**good, **bad}}


def _answer(description: str, schema: Map, content_type: str) -> Map:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _problems_of(status: int) -> str:
    return "; ".join(f"{name}: {title}" for name, (found, title, _) in KINDS.items() if found == status)
