"""This module is the door of a console under test: a process that brings the SQL database up to date, and then lets people in.

For each line `NAME ROLE` it prints the path of a sign-in link of that person: a start of Django for each would cost the tests minutes.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command
from django.urls import reverse


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "cimadmin.settings"
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    print("open", flush=True)
    reverse("accounts:link", args=["warm-up"])  # imports every page while the other programs start
    for line in sys.stdin:
        print(_link(*line.split()), flush=True)


def _link(name: str, role: str) -> str:
    from django.contrib.auth.models import Group, User

    from apps.accounts.links import create_sign_in_link

    person, _ = User.objects.get_or_create(username=name)
    person.groups.set([Group.objects.get(name=role)])
    return create_sign_in_link(person)


if __name__ == "__main__":
    main()
