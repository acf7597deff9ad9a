"""This module is the migration that creates the four roles as groups; what each may do stands in `roles.py`, not in the database."""

from typing import ClassVar

from django.db import migrations

ROLES = ("viewer", "auditor", "operator", "admin")


def create_groups(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations: ClassVar = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
