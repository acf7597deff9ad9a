"""This module is the form that makes a token."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User

from .roles import DESCRIPTIONS, Role
from .tokens import GREATEST_DAYS, NAME_LETTERS, TokenRights, grantable, has_token_named, lesser_roles

ALL, CHOSEN = "all", "chosen"
DAYS = 90


class TokenForm(forms.Form):
    """Once valid, `rights` is what the token may do."""

    name = forms.CharField(
        max_length=NAME_LETTERS,
        help_text="What it is for, such as nightly checks. Runs that it starts bear this name.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    days = forms.IntegerField(
        label="Good for, days",
        min_value=1,
        max_value=GREATEST_DAYS,
        initial=DAYS,
        help_text=f"At most {GREATEST_DAYS}. After that it is refused.",
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )
    may = forms.ChoiceField(help_text="Never more than you may yourself: what you lose, the token loses.")
    permissions = forms.MultipleChoiceField(
        label="Only these permissions",
        required=False,
        widget=forms.SelectMultiple({"size": 10}),
        help_text="Counts where “only the permissions below” is chosen. Looking at anything needs runs.view.",
    )

    rights: TokenRights

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._person = person
        roles = [(role.value, f"no more than {role.value}: {DESCRIPTIONS[role]}") for role in reversed(lesser_roles(person))]
        self.fields["may"].choices = [(ALL, "all that I may"), *roles, (CHOSEN, "only the permissions below")]  # type: ignore[attr-defined]
        self.fields["permissions"].choices = [(name, name) for name in grantable(person)]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if has_token_named(self._person, name):
            raise forms.ValidationError(f"You have a token named {name}; revoke it first, or choose another name.")
        return name

    def clean(self) -> dict[str, Any]:
        may, chosen = self.cleaned_data.get("may"), tuple(self.cleaned_data.get("permissions", ()))
        if may == CHOSEN and not chosen and "permissions" not in self.errors:
            self.add_error("permissions", "Choose at least one permission, or let the token do all that you may.")
        role = Role(may) if may in set(Role) else None
        self.rights = TokenRights(role=role, permissions=chosen if may == CHOSEN else ())
        return self.cleaned_data
