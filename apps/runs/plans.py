"""This module is a plan between review and confirmation: signed, so that what is confirmed is what was shown."""

from __future__ import annotations

import shlex
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import cast

from django.core import signing

from apps.connection import ask
from apps.persistence.encoding import Value, decode, encode
from apps.persistence.events import new_id
from apps.persistence.store import Store
from apps.persistence.work.operation import Operation, Plan, digest_of, parameters_as_value
from apps.registry import informed, registry

from .catalogue import Choice

PLAN_SECONDS = 5.0
VALID_SECONDS = 3600
_SALT = "apps.runs.plan"


class PlanRefused(Exception):
    """The signed plan is not one that this console made, or it is too old; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPlan:
    """What a confirmation carries. `run_id` is the run's to be, so confirming the same plan twice starts one run."""

    run_id: str
    operation: str
    parameters: dict[str, Value]
    saw: dict[str, Value]
    digest: str
    confirm_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan as it is shown: what it would do, and the command that would do the same."""

    choice: Choice
    operation: Operation
    plan: Plan
    digest: str
    token: str
    command: str


def make_review(choice: Choice, operation: Operation) -> Review:
    """Plan now; nothing is written. Raises what the plan raises: InvalidInput, NotFound, Unavailable."""
    plan = ask(_plan, operation, timeout_seconds=PLAN_SECONDS)
    digest = digest_of(choice.name, operation, plan)
    signed = SignedPlan(
        run_id=new_id(),
        operation=choice.name,
        parameters=parameters_as_value(operation),
        saw=plan.saw,
        digest=digest,
        confirm_with=plan.confirm_with,
    )
    return Review(
        choice=choice, operation=operation, plan=plan, digest=digest, token=sign(signed), command=equivalent_command(choice, operation)
    )


def sign(plan: SignedPlan) -> str:
    """The plan as text that only this console can make."""
    body: dict[str, Value] = {
        "run": plan.run_id,
        "operation": plan.operation,
        "parameters": plan.parameters,
        "saw": plan.saw,
        "digest": plan.digest,
        "confirm_with": plan.confirm_with,
    }
    return signing.TimestampSigner(salt=_SALT).sign(urlsafe_b64encode(encode(body)).decode())


def unsign(token: str) -> SignedPlan:
    """The plan in a token. Raises PlanRefused."""
    try:
        text = signing.TimestampSigner(salt=_SALT).unsign(token, max_age=VALID_SECONDS)
    except signing.SignatureExpired as error:
        raise PlanRefused("The plan was older than an hour. This is the plan as it is now; confirm it anew.") from error
    except signing.BadSignature as error:
        raise PlanRefused("The plan did not come from this console. This is a new one; confirm it anew.") from error
    body = cast("dict[str, Value]", decode(urlsafe_b64decode(text)))
    return SignedPlan(
        run_id=str(body["run"]),
        operation=str(body["operation"]),
        parameters=cast("dict[str, Value]", body["parameters"]),
        saw=cast("dict[str, Value]", body["saw"]),
        digest=str(body["digest"]),
        confirm_with=str(body["confirm_with"]),
    )


def equivalent_command(choice: Choice, operation: Operation) -> str:
    """What starts the same run from a shell; parameters that have their default are left out, the reason is to be filled in."""
    words = ["python3", "manage.py", "start", choice.name]
    values = parameters_as_value(operation)
    for parameter in choice.parameters:
        value = values[parameter.name]
        if value == parameter.default or value is None:
            continue
        words.append(f"--{parameter.name.replace('_', '-')}")
        if parameter.kind != "switch":
            words.append(str(value))
    return f"{shlex.join(words)} --reason '…'"


async def _plan(store: Store, operation: Operation) -> Plan:
    return await operation.plan(informed(store), registry())
