"""This module is `manage.py start <operation> --field value …`: the same plan, confirmation and receipt as on the pages."""

from __future__ import annotations

import asyncio
import getpass
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.persistence.errors import PersistenceError
from apps.persistence.events import new_id
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import Command as Request
from apps.persistence.store import ConnectionSettings, CoreMessage, Store, open_store
from apps.persistence.work.commands import notice_subject, read_notice, send_command
from apps.persistence.work.operation import Operation, Plan, build_operation, can_dry_run
from apps.persistence.work.parameters import Parameter, parameters_of, stored_values
from apps.persistence.work.run import Run, load_run, run_ref
from apps.registry import registry

LOOK_SECONDS = 0.2
NOT_INTACT = 3
"""The exit status where the run was carried out and found faults; 1 is for a run that was refused, failed or cancelled."""


class Command(BaseCommand):
    help = "Plan an operation, show the plan, and after a yes have the workers carry it out."

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="operation", required=True, parser_class=ArgumentParser)
        for name, operation in OPERATIONS.items():
            one = names.add_parser(name, help=operation.title)
            for parameter in parameters_of(operation):
                _add_argument(one, parameter)
            one.add_argument("--reason", required=True, help="Why; it stays in the receipt.")
            one.add_argument("--limit", type=int, default=0, help="At most so many events (of a backup: bytes) a second.")
            one.add_argument("--yes", action="store_true", help="Do not ask for a confirmation.")
            if can_dry_run(operation):
                one.add_argument("--dry-run", action="store_true", help="Only read, and say what would be done.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = cast(str, options["operation"])
        if options["reason"].strip("'. …") == "":
            raise CommandError("The reason is only a placeholder; write why, it stays in the receipt.")
        if options["limit"] < 0:
            raise CommandError(
                f"The limit is {options['limit']}; it is a whole number of events a second, 0 for none. Nothing was started."
            )
        given = {parameter.name: options[parameter.name] or "" for parameter in parameters_of(OPERATIONS[name])}
        asked = {"operation": name, "reason": options["reason"], "limit": options["limit"], "dry_run": options.get("dry_run", False)}
        try:
            asyncio.run(self._start(build_operation(OPERATIONS[name], given), asked, is_sure=options["yes"]))
        except PersistenceError as error:
            raise CommandError(str(error)) from error

    async def _start(self, operation: Operation, asked: dict[str, Any], *, is_sure: bool) -> None:
        known = registry()
        async with open_store(ConnectionSettings(name="home", **settings.CIM_HOME)) as opened:
            store = replace(opened, layouts=known.layouts, upcasters=known.upcasters)
            plan = await operation.plan(store, known)
            self._show(plan)
            if not is_sure and not asked["dry_run"]:
                await self._confirm(plan)
            request = Request(
                id=new_id(),
                aggregate=run_ref(new_id()),
                name="request",
                payload=cast(Any, {**asked, "parameters": stored_values(operation), "saw": plan.saw, "via": "the command line"}),
                actor=getpass.getuser(),
                correlation=new_id(),
            )
            await self._follow(store, request)

    async def _confirm(self, plan: Plan) -> None:
        """Raises CommandError unless the person says yes, with the target's name where it destroys."""
        if plan.confirm_with:
            typed = await asyncio.to_thread(input, f"Type {plan.confirm_with} to confirm: ")
            is_sure = typed.strip() == plan.confirm_with
        else:
            is_sure = (await asyncio.to_thread(input, "Start it? [y/N] ")).strip().lower() in ("y", "yes")
        if not is_sure:
            raise CommandError("Nothing was started.")

    def _show(self, plan: Plan) -> None:
        self.stdout.write(plan.summary)
        for change in plan.changes:
            self.stdout.write(f"  {change.what}: {change.now} -> {change.after}")
        for note in plan.notes:
            self.stdout.write(f"  {note}")
        self.stdout.write(f"  Undo: {plan.undo}")
        seconds = "not known" if plan.seconds is None else f"about {plan.seconds:,.0f} s"
        self.stdout.write(f"  Duration: {seconds} ({plan.rate_source or 'at once'})")

    async def _follow(self, store: Store, request: Request) -> None:
        """Send the request and wait for the run's end. Raises CommandError where it was refused, failed or cancelled, or found faults."""
        refused: asyncio.Queue[CoreMessage] = asyncio.Queue()
        async with store.connection.subscribe(notice_subject(request.id), refused.put_nowait):
            await send_command(store.connection, request)
            self.stdout.write(f"Run {request.aggregate.id}; it goes on if this is interrupted.")
            run: Run | None = None
            while run is None or not run.state.is_ended:
                if not refused.empty():
                    raise CommandError(read_notice(refused.get_nowait().data).reason)
                await asyncio.sleep(LOOK_SECONDS)
                run = await load_run(store, request.aggregate.id)
        if run.state != "finished":
            raise CommandError(f"{run.state}: {run.outcome}")
        self.stdout.write(run.outcome)
        for sample in run.samples:
            self.stdout.write(f"  {sample.what}: {sample.now} -> {sample.after} {sample.note}".rstrip())
        if run.figures.get("intact") is False:
            raise CommandError("What was looked at is not as it should be.", returncode=NOT_INTACT)


def _add_argument(parser: ArgumentParser, parameter: Parameter) -> None:
    name, kind = parameter.name.replace("_", "-"), parameter.kind
    if kind == "switch":
        parser.add_argument(f"--{name}", dest=parameter.name, action="store_const", const="on", default="", help=parameter.help)
        parser.add_argument(f"--no-{name}", dest=parameter.name, action="store_const", const="off", help=f"Not: {parameter.help}")
        return
    more: dict[str, Any] = {"choices": parameter.options} if parameter.options else {}
    if kind == "many":
        more |= {"action": "append"}
    parser.add_argument(f"--{name}", dest=parameter.name, default=None, required=parameter.is_required, help=parameter.help, **more)
