"""This module is the forms of runs: one made from an operation's parameters, and the one that confirms a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from apps.connection import ask
from apps.persistence.errors import InvalidInput
from apps.persistence.store import Store
from apps.persistence.work.operation import Operation, build_operation
from apps.persistence.work.parameters import Parameter, read_choices
from apps.persistence.work.run_commands import GREATEST_LIMIT
from apps.registry import informed, registry

from .catalogue import Choice

REASON_LENGTH = 500
SWITCH = (("on", "Yes"), ("off", "No"))
_NO_CHOICE = "Select a valid choice. %(value).80s is not one of the available choices."

Typed = Mapping[str, str | Sequence[str]]
Options = Mapping[str, tuple[str, ...]]


def typed_in(choice: Choice, given: QueryDict) -> dict[str, str | Sequence[str]]:
    """What an address or a form says of the operation's parameters."""
    many = {parameter.name for parameter in choice.parameters if parameter.kind == "many" and parameter.has_choices}
    return {name: given.getlist(name) if name in many else "\n".join(given.getlist(name)) for name in given}


def options_of(choice: Choice) -> Options:
    """For each parameter with choices, the values there are now. Raises Unavailable."""
    wanted = [parameter for parameter in choice.parameters if parameter.has_choices]
    return dict(zip((one.name for one in wanted), ask(_read_all, wanted), strict=True)) if wanted else {}


class OperationForm(forms.Form):
    """The parameters of an operation. Once valid, `operation` is the operation with them."""

    operation: Operation

    def __init__(self, choice: Choice, given: Typed | None, options: Options, *, initial: Typed | None = None) -> None:
        super().__init__(None if given is None else _completed(choice, given), initial=dict(initial or {}))
        self._choice = choice
        for parameter in choice.parameters:
            self.fields[parameter.name] = _field(parameter, options.get(parameter.name, ()))

    def clean(self) -> dict[str, Any]:
        """Build the operation; what is wrong with a parameter stands beside its field."""
        given = {name: self.data.get(name, "") for name in self.fields}
        try:
            self.operation = build_operation(self._choice.kind, given)
        except InvalidInput as error:
            if not self.errors:
                name = str(error).partition(" ")[0].removesuffix(":")
                self.add_error(name if name in self.fields else None, str(error))
        return self.cleaned_data


class ConfirmForm(forms.Form):
    """What a person says to a plan: why, and the target's name where the plan asks for it. `plan` is the signed plan."""

    plan = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        help_text="Others read it with this run later; it cannot be changed.",
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        error_messages={"required": "Say why; others will read it with this run."},
    )
    limit = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=GREATEST_LIMIT,
        help_text="Empty for as fast as it can. It can be changed while it runs.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "identity", "autocomplete": "off"}),
    )
    typed = forms.CharField(required=False, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "identity"}))

    def __init__(self, given: Mapping[str, str] | None = None, *, token: str = "", confirm_with: str = "", unit: str = "events") -> None:
        super().__init__(given, initial={"plan": token})
        self.fields["limit"].label = f"At most, {unit} a second"
        self._confirm_with = confirm_with
        if confirm_with:
            self.fields["typed"].label = f"Type {confirm_with} to confirm"
        else:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != self._confirm_with:
            raise forms.ValidationError(f"This is not {self._confirm_with}; type it exactly.")
        return typed


async def _read_all(store: Store, parameters: Sequence[Parameter]) -> list[tuple[str, ...]]:
    return [await read_choices(parameter, informed(store), registry()) for parameter in parameters]


def _completed(choice: Choice, given: Typed) -> dict[str, str | Sequence[str]]:
    """What the address does not name has its default; a switch that is off is named so."""
    switches = {entry.name: "on" if entry.default else "off" for entry in choice.parameters if entry.kind == "switch"}
    chosen = {entry.name: str(entry.default) for entry in choice.parameters if entry.kind == "choice" and entry.default}
    return switches | chosen | dict(given)


def _field(parameter: Parameter, options: Sequence[str]) -> forms.Field:
    given: dict[str, Any] = {
        "label": parameter.name.replace("_", " ").capitalize(),
        "help_text": parameter.help,
        "required": parameter.is_required,
        "initial": list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default,
    }
    pairs = [(name, name) for name in options]
    match parameter.kind:
        case "switch":
            return forms.ChoiceField(
                choices=SWITCH, error_messages={"invalid_choice": _NO_CHOICE}, **{**given, "initial": "on" if parameter.default else "off"}
            )
        case "choice":
            pairs = pairs if parameter.is_required or parameter.default else [("", "–"), *pairs]
            return forms.ChoiceField(choices=pairs, error_messages={"invalid_choice": _NO_CHOICE}, **given)
        case "many" if parameter.has_choices:
            return forms.MultipleChoiceField(choices=pairs, error_messages={"invalid_choice": _NO_CHOICE}, **given)
        case "many":
            return forms.CharField(widget=_area(4), **{**given, "initial": "\n".join(given["initial"] or ())})
        case "lines":
            return forms.CharField(widget=_area(4), **given)
        case "number":
            return forms.CharField(widget=_line(inputmode="numeric"), **given)
    return forms.CharField(widget=_line(), **given)


def _line(**attributes: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "identity", "autocomplete": "off", **attributes})


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "class": "identity", "autocomplete": "off"})
