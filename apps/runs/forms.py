"""This module is the forms of runs: one made from an operation's parameters, and the one that confirms a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms

from apps.persistence.errors import InvalidInput
from apps.persistence.work.operation import Operation, Parameter, build_operation
from apps.registry import registry

from .catalogue import Choice

REASON_LENGTH = 500
SWITCH = (("on", "Yes"), ("off", "No"))


class OperationForm(forms.Form):
    """The parameters of an operation. Once valid, `operation` is the operation with them."""

    operation: Operation

    def __init__(self, choice: Choice, given: Mapping[str, str] | None, *, initial: Mapping[str, str] | None = None) -> None:
        super().__init__(None if given is None else _completed(choice, given), initial=dict(initial or {}))
        self._choice = choice
        for parameter in choice.parameters:
            self.fields[parameter.name] = _field(parameter)

    def clean(self) -> dict[str, Any]:
        """Build the operation; what is wrong with a parameter stands beside its field."""
        given = {name: str(self.data.get(name, "")) for name in self.fields}
        try:
            self.operation = build_operation(self._choice.kind, given)
        except InvalidInput as error:
            if not self.errors:
                name = str(error).partition(" ")[0]
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
    typed = forms.CharField(required=False, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "identity"}))

    def __init__(self, given: Mapping[str, str] | None = None, *, token: str = "", confirm_with: str = "") -> None:
        super().__init__(given, initial={"plan": token})
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


def _completed(choice: Choice, given: Mapping[str, str]) -> dict[str, str]:
    """A switch that the address does not name has its default; one that is off is named so."""
    switches = {entry.name: "on" if entry.default else "off" for entry in choice.parameters if entry.kind == "switch"}
    return switches | dict(given)


def _field(parameter: Parameter) -> forms.Field:
    given: dict[str, Any] = {
        "label": parameter.name.replace("_", " ").capitalize(),
        "help_text": parameter.help,
        "required": parameter.is_required,
        "initial": parameter.default,
    }
    if parameter.kind == "switch":
        return forms.ChoiceField(choices=SWITCH, **{**given, "initial": "on" if parameter.default else "off"})
    if parameter.name in _KNOWN:
        first = [] if parameter.is_required else [("", "–")]
        return forms.ChoiceField(choices=[*first, *((name, name) for name in _KNOWN[parameter.name]())], **given)
    if parameter.kind == "number":
        return forms.CharField(widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "identity", "autocomplete": "off"}), **given)
    return forms.CharField(widget=forms.TextInput(attrs={"class": "identity", "autocomplete": "off"}), **given)


def _projections() -> list[str]:
    return sorted(registry().projections)


def _chained_streams() -> list[str]:
    return [layout.stream for layout in registry().layouts if layout.is_chained]


_KNOWN: dict[str, Callable[[], list[str]]] = {"projection": _projections, "stream": _chained_streams}
"""Parameters of which only some values make sense here, by name."""
