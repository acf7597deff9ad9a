"""This module is what `up` does before anything runs: it brings the SQL database up to date and prints the path of a sign-in link.

Both in one process, as each start of Django costs the person who waits about a second.
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cimadmin.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("sign_in_link")


if __name__ == "__main__":
    main()
