"""This module is the tests of settings that are missing or wrong: each stops the process with the name of its variable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cimadmin import environment

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_console_without_a_data_folder_does_not_start() -> None:
    variables = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "cimadmin.settings"}

    started = subprocess.run(
        [sys.executable, "-m", "django", "check"], cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False
    )

    assert started.returncode == 1
    assert "CIM_DATA is not set; set it in the environment of this process." in started.stderr


def test_a_data_folder_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CIM_DATA", str(tmp_path / "file" / "data"))

    with pytest.raises(ImproperlyConfigured, match=r"CIM_DATA is '.*/file/data', which cannot be made"):
        environment.folder("CIM_DATA")


def test_a_missing_secret_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIM_SECRET_KEY", raising=False)

    with pytest.raises(ImproperlyConfigured, match="Neither CIM_SECRET_KEY_FILE nor CIM_SECRET_KEY is set"):
        environment.secret("CIM_SECRET_KEY")


def test_a_short_secret_key_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short\n")
    monkeypatch.setenv("CIM_SECRET_KEY_FILE", str(tmp_path / "key"))

    with pytest.raises(ImproperlyConfigured, match="CIM_SECRET_KEY_FILE gives 5 characters; a secret key needs at least 32"):
        environment.secret("CIM_SECRET_KEY")


def test_a_secret_key_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 40 + "\n")
    monkeypatch.setenv("CIM_SECRET_KEY_FILE", str(tmp_path / "key"))

    assert environment.secret("CIM_SECRET_KEY") == "k" * 40


def test_a_switch_that_is_neither_on_nor_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_DEMO", "maybe")

    with pytest.raises(ImproperlyConfigured, match="CIM_DEMO is 'maybe'; it can be 1 or 0"):
        environment.flag("CIM_DEMO")


@pytest.mark.parametrize("origin", ["cim.example.org", "https://cim.example.org/console", "ftp://cim.example.org"])
def test_an_origin_must_be_whole(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("CIM_ORIGINS", f"https://ok.example.org,{origin}")

    with pytest.raises(ImproperlyConfigured, match="CIM_ORIGINS holds"):
        environment.origins("CIM_ORIGINS")


def test_a_postgres_url_becomes_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", "postgres://cim:p%40ss@db.example.org:5433/console")

    assert environment.database("CIM_DATABASE_URL", default=Path("unused")) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "console",
        "USER": "cim",
        "PASSWORD": "p@ss",
        "HOST": "db.example.org",
        "PORT": "5433",
    }


def test_a_database_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", "mysql://db/console")

    with pytest.raises(ImproperlyConfigured, match="CIM_DATABASE_URL has the scheme 'mysql'"):
        environment.database("CIM_DATABASE_URL", default=Path("unused"))


def test_the_home_connection_takes_what_is_set_and_leaves_out_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_T_USER", "web")
    monkeypatch.setenv("CIM_T_PASSWORD", "secret")

    assert environment.connection("CIM_T", default_url="nats://127.0.0.1:4222") == {
        "url": "nats://127.0.0.1:4222",
        "user": "web",
        "password": "secret",
    }


def test_a_client_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_T_TLS_CERT", "/etc/cim/cert.pem")

    with pytest.raises(ImproperlyConfigured, match="CIM_T_TLS_CERT and CIM_T_TLS_KEY belong together"):
        environment.connection("CIM_T", default_url="nats://127.0.0.1:4222")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "CIM_OBSERVED is not JSON"),
        ("[]", "CIM_OBSERVED must be an object of objects"),
        ('{"berlin": {"url": "nats://b", "colour": "red"}}', "CIM_OBSERVED: 'berlin' has the unknown field 'colour'"),
        ('{"berlin": {"user": "web"}}', "CIM_OBSERVED: 'berlin' needs a url"),
    ],
)
def test_observed_connections_that_are_wrong_are_named(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("CIM_OBSERVED", value)

    with pytest.raises(ImproperlyConfigured, match=message):
        environment.connections("CIM_OBSERVED")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "much", "9999999"])
def test_a_number_of_megabytes_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CIM_TEST_MEGABYTES", value)

    with pytest.raises(ImproperlyConfigured, match="CIM_TEST_MEGABYTES is"):
        environment.megabytes("CIM_TEST_MEGABYTES", default=1)


KEY = "cim-7f3c+1a2b3c4d+" + "A" * 44


@pytest.mark.parametrize(("value", "is_witness"), [("", False), (KEY, False), (f"https://witness.example.org/a {KEY}", True)])
def test_a_key_that_was_copied_whole_is_taken(monkeypatch: pytest.MonkeyPatch, value: str, is_witness: bool) -> None:
    monkeypatch.setenv("CIM_TEST_KEY", value)

    assert environment.vkey("CIM_TEST_KEY", address_first=is_witness) == value


@pytest.mark.parametrize(("value", "is_witness"), [(KEY[:-1], False), (f"{KEY} ", True), (f"http://w {KEY}", False), (KEY, True)])
def test_a_key_that_was_not_copied_whole_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, is_witness: bool) -> None:
    monkeypatch.setenv("CIM_TEST_KEY", value)

    with pytest.raises(ImproperlyConfigured, match=r"CIM_TEST_KEY is .* copy it as the program said it"):
        environment.vkey("CIM_TEST_KEY", address_first=is_witness)


@pytest.mark.parametrize(
    ("value", "node", "message"),
    [
        ("berlin", "laptop", "CIM_LINKS holds 'berlin'; write name=layer"),
        ("berlin=local", "laptop", "layer is one of container, leaf, cluster, super_cluster"),
        ("paris=leaf", "laptop", "CIM_LINKS names 'paris', which CIM_OBSERVED does not"),
        ("berlin=leaf", "", "CIM_LINKS needs CIM_NODE"),
        ("berlin=leaf", "my laptop", "CIM_LINKS needs CIM_NODE"),
    ],
)
def test_links_that_are_wrong_are_named(monkeypatch: pytest.MonkeyPatch, value: str, node: str, message: str) -> None:
    monkeypatch.setenv("CIM_LINKS", value)

    with pytest.raises(ImproperlyConfigured, match=message):
        environment.links("CIM_LINKS", node=node, known={"berlin": {}})


def test_links_lead_to_observed_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_LINKS", "berlin=leaf, region=super_cluster")

    assert environment.links("CIM_LINKS", node="laptop", known={"berlin": {}, "region": {}}) == {
        "berlin": "leaf",
        "region": "super_cluster",
    }
