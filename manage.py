#!/usr/bin/env python3
"""This module is Django's command line for the console, and `up`, which makes the environment that every other command needs."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["up"]:
        from cimadmin.up import main as up

        sys.exit(up(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cimadmin.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
