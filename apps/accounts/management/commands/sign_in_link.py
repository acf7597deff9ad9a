"""This module is `manage.py sign_in_link`: it prints the path of a link that signs in once, for the first admin or a named person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.links import LINK_SECONDS, create_sign_in_link


class Command(BaseCommand):
    help = f"Print the path of a link that signs in once, within {LINK_SECONDS // 60} minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="who signs in; without it the user admin, who is created when the link is used")

    def handle(self, *args: Any, **options: Any) -> None:
        username: str | None = options["username"]
        person = User.objects.filter(username=username, is_active=True).first() if username else None
        if username and person is None:
            raise CommandError(f"There is no active person named {username!r}; leave the name out to sign in as admin.")
        self.stdout.write(create_sign_in_link(person))
