"""This module is the forms about people: signing in, adding a person, giving a role."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from .roles import DESCRIPTIONS, Role
from .throttle import WINDOW_SECONDS, forget_failures, is_throttled, record_failure

ROLE_CHOICES = [(role.value, f"{role.value}: {DESCRIPTIONS[role]}") for role in Role]


class SignInForm(forms.Form):
    username = forms.CharField(
        max_length=150, widget=forms.TextInput({"autocomplete": "username", "autocapitalize": "none", "autofocus": True})
    )
    password = forms.CharField(strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"}))

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.person: User | None = None
        self.is_throttled = False

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        address = self.request.META.get("REMOTE_ADDR", "")
        if is_throttled(username, address):
            self.is_throttled = True
            wait = f"Wait {WINDOW_SECONDS // 60} minutes, or ask an admin for a sign-in link."
            raise ValidationError(f"Too many tries for this name or from this address. {wait}")
        found = authenticate(self.request, username=username, password=password)
        if not isinstance(found, User):
            record_failure(username, address)
            raise ValidationError("The name or the password is wrong. Names and passwords tell upper from lower case.")
        forget_failures(username)
        self.person = found
        return self.cleaned_data


class PersonForm(forms.Form):
    username = forms.CharField(max_length=150, validators=[UnicodeUsernameValidator()], help_text="Letters, digits and @ . + - _")
    full_name = forms.CharField(max_length=200, required=False)
    role = forms.ChoiceField(choices=ROLE_CHOICES, initial=Role.VIEWER.value)

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=username).exists():
            raise ValidationError(f"There is already a person named {username}; choose another name.")
        return username


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLE_CHOICES)
