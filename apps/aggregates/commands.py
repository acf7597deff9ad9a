"""This module is the pages by which a person sends a command: its form, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.domain.cqrs import CommandAck, CommandSet, DeclaredCommand
from apps.domain.cqrs.sending import Unanswered, submit
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateDefinition, AggregateRef, new_id
from apps.persistence.events.identity import check_uuid
from apps.persistence.registry import Command
from apps.persistence.store import Store
from apps.persistence.work.commands import Rejected

from .address import address_of
from .entering import CommandForm, blank_form, read_form
from .offers import commands_for, read_offers
from .sent import read_sent

ANSWER_SECONDS = 4.0
"""So long the page waits for the answer of a worker; the next page goes on waiting, live."""
PAGE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A command as its page shows it. `ref` is None until a new aggregate has an id."""

    commands: CommandSet
    command: DeclaredCommand
    form: CommandForm
    command_id: str
    ref: AggregateRef | None = None
    typed_id: str = ""
    id_error: str = ""
    refusal: str = ""

    @property
    def definition(self) -> AggregateDefinition:
        return self.commands.definition

    @property
    def what(self) -> str:
        return self.definition.title

    @property
    def address(self) -> str:
        """Where the form leads back to."""
        context, type = self.definition.key
        return address_of(self.ref) if self.ref else reverse("aggregates:type", args=[context, type])


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("commands.send")
def command(request: HttpRequest, context: str, type: str, id: str, name: str) -> HttpResponse:
    """The form of a command to an aggregate that exists, and sending it."""
    commands, declared = _find(context, type, name)
    ref = AggregateRef(context, type, id)
    if request.method == "POST":
        return _send(request, commands, declared, ref)
    offers = ask(read_offers, ref, timeout_seconds=PAGE_SECONDS)
    refusal = next((one.refusal for one in offers.offers if one.command.name == name), "") if offers else ""
    form = blank_form(declared, request.GET.dict())
    return _show(request, Asking(commands=commands, command=declared, form=form, command_id=new_id(), ref=ref, refusal=refusal))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("commands.send")
def create(request: HttpRequest, context: str, type: str, name: str) -> HttpResponse:
    """The form of a command that makes an aggregate, and sending it."""
    commands, declared = _find(context, type, name)
    if not declared.creates:
        raise Http404(f"{declared.title} does not make a new {commands.what}.")
    if request.method != "POST":
        form = blank_form(declared, request.GET.dict())
        return _show(request, Asking(commands=commands, command=declared, form=form, command_id=new_id(), typed_id=new_id()))
    typed_id = request.POST.get("aggregate.id", "").strip()
    try:
        ref = AggregateRef(context, type, typed_id)
    except InvalidInput as error:
        form = read_form(declared, request.POST.dict())
        asking = Asking(commands=commands, command=declared, form=form, command_id=new_id(), typed_id=typed_id, id_error=str(error))
        return _show(request, asking, status=422)
    return _send(request, commands, declared, ref)


@require_safe
@permission_required("aggregates.view")
def sent(request: HttpRequest, context: str, type: str, id: str, command_id: str) -> HttpResponse:
    """A command that was sent: its acknowledgement, and live, what it caused."""
    check_uuid(command_id, "The command's id")
    found = ask(read_sent, AggregateRef(context, type, id), command_id, timeout_seconds=PAGE_SECONDS)
    commands = commands_for(context, type)
    title = commands.definition.title if commands else type
    return render(request, "aggregates/sent.html", {"sent": found, "title": title})


def _find(context: str, type: str, name: str) -> tuple[CommandSet, DeclaredCommand]:
    commands = commands_for(context, type)
    if commands is None or name not in commands.by_name:
        raise Http404(f"No package of CIM_DOMAINS declares the command {name} of {context}.{type}.")
    return commands, commands.by_name[name]


def _send(request: HttpRequest, commands: CommandSet, declared: DeclaredCommand, ref: AggregateRef) -> HttpResponse:
    """Send what was typed; what is wrong with it, and a refusal, lead back to the form."""
    given = request.POST.dict()
    asking = Asking(
        commands=commands,
        command=declared,
        form=blank_form(declared, given),
        command_id=new_id(),
        ref=None if declared.creates else ref,
        typed_id=ref.id if declared.creates else "",
    )
    if given.get("more"):
        return _show(request, asking)
    form = read_form(declared, given)
    if form.payload is None:
        return _show(request, _with(asking, form=form), status=422)
    command_id = check_uuid(given.get("command.id", ""), "The command's id")
    answer = _submit(_command(command_id, ref, declared, form.payload, request.user.get_username()))
    if isinstance(answer, Rejected):
        return _show(request, _with(asking, form=form, refusal=answer.reason), status=422)
    return redirect("aggregates:sent", ref.context, ref.type, ref.id, command_id)


def _submit(command: Command) -> CommandAck | None:
    """The answer, or None where no worker has given one yet."""

    async def sending(store: Store) -> CommandAck | None:
        try:
            return await submit(store.connection, command, timeout_seconds=ANSWER_SECONDS)
        except Unanswered:
            return None

    return ask(sending, timeout_seconds=ANSWER_SECONDS + PAGE_SECONDS)


def _command(command_id: str, ref: AggregateRef, declared: DeclaredCommand, payload: Mapping[str, Value], actor: str) -> Command:
    return Command(id=command_id, aggregate=ref, name=declared.name, payload=dict(payload), actor=actor, correlation=command_id)


def _with(asking: Asking, *, form: CommandForm, refusal: str = "") -> Asking:
    return replace(asking, form=form, refusal=refusal)


def _show(request: HttpRequest, asking: Asking, *, status: int = 200) -> HttpResponse:
    return render(request, "aggregates/command.html", {"asking": asking}, status=status)
