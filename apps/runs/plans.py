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
from apps.persistence.work.operation import Operation, Plan
from apps.persistence.work.parameters import stored_values
from apps.persistence.work.planning import digest_of
from apps.persistence.work.run import Run
from apps.persistence.work.run_index import find_dry_run
from apps.registry import informed, registry

from .catalogue import Choice, title_of

PLAN_SECONDS = 5.0
VALID_SECONDS = 3600
_SALT = "apps.runs.plan"


class PlanRefused(Exception):
    """The signed plan cannot be confirmed here; the message says why, and what to do."""


class PlanExpired(PlanRefused):
    """The plan is too old."""


class PlanOfAnother(PlanRefused):
    """The plan is one of another operation."""

    def __init__(self, plan: SignedPlan, choice: Choice) -> None:
        super().__init__(f"The plan belongs to the operation {title_of(plan.operation)}, not to {choice.title}.")
        self.operation = plan.operation


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPlan:
    """What a confirmation carries. `run_id` is the run's to be, so confirming the same plan twice starts one run; so for its dry run."""

    run_id: str
    dry_run_id: str
    operation: str
    parameters: dict[str, Value]
    saw: dict[str, Value]
    digest: str
    confirm_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan as it is shown: what it would do, the newest dry run of just this, and the command that would do the same."""

    choice: Choice
    operation: Operation
    plan: Plan
    digest: str
    token: str
    command: str
    dry_run: Run | None = None


def make_review(choice: Choice, operation: Operation) -> Review:
    """Plan now; nothing is written. Raises what the plan raises: InvalidInput, NotFound, Unavailable."""
    plan, tried = ask(_plan, choice, operation, timeout_seconds=PLAN_SECONDS)
    digest = digest_of(choice.name, operation, plan)
    signed = SignedPlan(
        run_id=new_id(),
        dry_run_id=new_id(),
        operation=choice.name,
        parameters=stored_values(operation),
        saw=plan.saw,
        digest=digest,
        confirm_with=plan.confirm_with,
    )
    command = equivalent_command(choice, operation)
    return Review(choice=choice, operation=operation, plan=plan, digest=digest, token=sign(signed), command=command, dry_run=tried)


def sign(plan: SignedPlan) -> str:
    """The plan as text that only this console can make."""
    body: dict[str, Value] = {
        "run": plan.run_id,
        "dry_run": plan.dry_run_id,
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
        raise PlanExpired("The plan was older than an hour. Plan again.") from error
    except signing.BadSignature as error:
        raise PlanRefused("The plan did not come from this console. Plan again.") from error
    body = cast("dict[str, Value]", decode(urlsafe_b64decode(text)))
    return SignedPlan(
        run_id=str(body["run"]),
        dry_run_id=str(body["dry_run"]),
        operation=str(body["operation"]),
        parameters=cast("dict[str, Value]", body["parameters"]),
        saw=cast("dict[str, Value]", body["saw"]),
        digest=str(body["digest"]),
        confirm_with=str(body["confirm_with"]),
    )


def unsign_for(token: str, choice: Choice) -> SignedPlan:
    """The plan in a token, which must be one of this operation. Raises PlanRefused."""
    plan = unsign(token)
    if plan.operation != choice.name:
        raise PlanOfAnother(plan, choice)
    return plan


def equivalent_command(choice: Choice, operation: Operation) -> str:
    """What starts the same run from a shell; parameters that have their default are left out, the reason is to be filled in."""
    words = ["python3", "manage.py", "start", choice.name]
    values = stored_values(operation)
    for parameter in choice.parameters:
        value = values[parameter.name]
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        if value == default or value is None:
            continue
        flag = f"--{parameter.name.replace('_', '-')}"
        if parameter.kind == "switch":
            words.append(flag if value else f"--no-{parameter.name.replace('_', '-')}")
        else:
            words.extend(word for one in (value if isinstance(value, list) else [value]) for word in (flag, str(one)))
    return f"{shlex.join(words)} --reason '…'"


async def _plan(store: Store, choice: Choice, operation: Operation) -> tuple[Plan, Run | None]:
    plan = await operation.plan(informed(store), registry())
    tried = await find_dry_run(store.connection, choice.name, stored_values(operation)) if choice.can_dry_run else None
    return plan, tried
