"""This module is operations and plans as the API answers with them."""

from __future__ import annotations

from typing import Any

from apps.accounts.tokens import Grant
from apps.persistence.work.operation import Plan
from apps.persistence.work.parameters import GREATEST_NUMBER, Parameter, stored_values
from apps.runs.catalogue import Choice
from apps.runs.forms import Options
from apps.runs.plans import Review

from .shapes import ChangeShape, CountShape, OperationShape, ParameterShape, PlanShape


def operation_shape(choice: Choice, grant: Grant, options: Options | None = None) -> OperationShape:
    """An operation; with `options`, its parameters with the values there are now."""
    return OperationShape(
        name=choice.name,
        title=choice.title,
        description=choice.description,
        permission=choice.permission,
        may_start=grant.has_perm(choice.permission),
        has_dry_run=choice.can_dry_run,
        unit=choice.unit,
        parameters=tuple(_parameter_shape(parameter, options) for parameter in choice.parameters),
    )


def parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema of a parameter's value. One that may be left out may also be null, which says the same."""
    schema: dict[str, Any] = {"description": parameter.help, **_kind_schema(parameter)}
    if not parameter.is_required:
        schema["type"] = [*([schema["type"]] if isinstance(schema["type"], str) else schema["type"]), "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        default = parameter.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def plan_shape(review: Review) -> PlanShape:
    """A plan with the token that confirms it."""
    plan: Plan = review.plan
    return PlanShape(
        plan=review.token,
        operation=review.choice.name,
        parameters=stored_values(review.operation),
        target=review.operation.target,
        summary=plan.summary,
        changes=tuple(ChangeShape(what=one.what, now=one.now, after=one.after) for one in plan.changes),
        counts=tuple(CountShape(name=name, count=count) for name, count in plan.counts),
        notes=plan.notes,
        undo=plan.undo,
        seconds=plan.seconds,
        rate_source=plan.rate_source,
        confirm_with=plan.confirm_with,
        saw=plan.saw,
        digest=review.digest,
        last_dry_run=review.dry_run.id if review.dry_run else None,
        command=review.command,
    )


def _parameter_shape(parameter: Parameter, options: Options | None) -> ParameterShape:
    return ParameterShape(
        name=parameter.name,
        kind=parameter.kind,
        is_required=parameter.is_required and parameter.kind != "switch",
        help=parameter.help,
        schema=parameter_schema(parameter),
        options=options.get(parameter.name) if options is not None else None,
    )


def _kind_schema(parameter: Parameter) -> dict[str, Any]:
    one_of = {"enum": list(parameter.options)} if parameter.options else {}
    match parameter.kind:
        case "number":
            most = {"maximum": parameter.most} if parameter.most < GREATEST_NUMBER else {}
            return {"type": "integer", "minimum": parameter.least, **most}
        case "switch":
            return {"type": "boolean"}
        case "many":
            return {"type": "array", "items": {"type": "string", **one_of}}
        case "place":
            return {"type": ["string", "integer"]}
    return {"type": "string", **one_of}
