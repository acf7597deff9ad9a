"""This module is `manage.py token`: it makes or revokes a token of a person, for scripts that set a console up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import AccessToken
from apps.accounts.roles import Role
from apps.accounts.tokens import (
    GREATEST_DAYS,
    NAME_LETTERS,
    TokenRights,
    create_token,
    has_token_named,
    revoke_token,
    unknown_permissions,
)
from apps.accounts.trail import COMMAND_LINE


class Command(BaseCommand):
    help = "Make a token of a person and print it, this once; or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="whose token it is")
        parser.add_argument("name", help="what it is for")
        parser.add_argument("--days", type=int, default=90, help=f"how long it is good, at most {GREATEST_DAYS}")
        parser.add_argument("--role", choices=[role.value for role in Role], help="no more than this role may")
        parser.add_argument("--permission", action="append", default=[], help="only this permission; may be given several times")
        parser.add_argument("--revoke", action="store_true", help="revoke the tokens of this name instead")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"], is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active person named {options['username']!r}; add one on the People page.")
        if options["revoke"]:
            self._revoke(person, options["name"])
        else:
            self.stdout.write(_make(person, options))

    def _revoke(self, person: User, name: str) -> None:
        tokens = AccessToken.objects.select_related("person").filter(person=person, name=name, revoked_at=None)
        if not tokens:
            raise CommandError(f"{person.username} has no token named {name!r} that is not revoked.")
        for token in tokens:
            revoke_token(token, by=COMMAND_LINE)
        self.stdout.write(f"Revoked: {name} of {person.username}.")


def _make(person: User, options: dict[str, Any]) -> str:
    """The secret of a new token. Raises CommandError."""
    name, days, permissions = str(options["name"]).strip(), int(options["days"]), tuple(options["permission"])
    if not 1 <= days <= GREATEST_DAYS:
        raise CommandError(f"--days is {days}; it must be from 1 to {GREATEST_DAYS}.")
    if not 1 <= len(name) <= NAME_LETTERS:
        raise CommandError(f"The name has {len(name)} letters; it must have 1 to {NAME_LETTERS}.")
    if has_token_named(person, name):
        raise CommandError(f"{person.username} has a token named {name}; revoke it first with --revoke, or choose another name.")
    if unknown := unknown_permissions(person, permissions):
        raise CommandError(f"A token of {person.username} cannot have {', '.join(unknown)}.")
    rights = TokenRights(role=Role(options["role"]) if options["role"] else None, permissions=permissions)
    return create_token(person, name, days=days, rights=rights, by=COMMAND_LINE).secret
