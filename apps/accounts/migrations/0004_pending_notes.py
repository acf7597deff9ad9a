"""This module is the migration that creates the table of notes for the trail that are not sent yet."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0003_access_tokens")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="PendingNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("command_id", models.CharField(max_length=36, unique=True)),
                ("actor", models.CharField(max_length=150)),
                ("payload", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
