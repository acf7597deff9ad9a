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
from apps.persistence.work.operation import Operation, Plan, build_operation, parameters_as_value, parameters_of
from apps.persistence.work.run import Run, load_run, run_ref
from apps.registry import registry

LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = "Plan an operation, show the plan, and after a yes have the workers carry it out."

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="operation", required=True, parser_class=ArgumentParser)
        for name, operation in OPERATIONS.items():
            one = names.add_parser(name, help=operation.title)
            for parameter in parameters_of(operation):
                kind: dict[str, Any] = {"action": "store_const", "const": "on"} if parameter.kind == "switch" else {}
                flag = f"--{parameter.name.replace('_', '-')}"
                one.add_argument(flag, dest=parameter.name, default="", required=parameter.is_required, help=parameter.help, **kind)
            one.add_argument("--reason", required=True, help="Why; it stays in the receipt.")
            one.add_argument("--yes", action="store_true", help="Do not ask for a confirmation.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = cast(str, options["operation"])
        given = {parameter.name: options[parameter.name] or "" for parameter in parameters_of(OPERATIONS[name])}
        try:
            asyncio.run(self._start(name, build_operation(OPERATIONS[name], given), options["reason"], is_sure=options["yes"]))
        except PersistenceError as error:
            raise CommandError(str(error)) from error

    async def _start(self, name: str, operation: Operation, reason: str, *, is_sure: bool) -> None:
        known = registry()
        async with open_store(ConnectionSettings(name="home", **settings.CIM_HOME)) as opened:
            store = replace(opened, layouts=known.layouts, upcasters=known.upcasters)
            plan = await operation.plan(store, known)
            self._show(plan)
            if not is_sure and (await asyncio.to_thread(input, "Start it? [y/N] ")).strip().lower() not in ("y", "yes"):
                raise CommandError("Nothing was started.")
            run_id = new_id()
            parameters = parameters_as_value(operation)
            payload = {"operation": name, "parameters": parameters, "saw": plan.saw, "reason": reason}
            request = Request(
                id=new_id(),
                aggregate=run_ref(run_id),
                name="request",
                payload=cast(Any, payload),
                actor=getpass.getuser(),
                correlation=new_id(),
            )
            await self._follow(store, request)

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
        """Send the request and wait for the run's end. Raises CommandError where it was refused, failed or cancelled."""
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
