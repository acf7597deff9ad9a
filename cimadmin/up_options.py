"""This module is the options of `up`, and the external NATS server that they may describe."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from apps.persistence.store.connection import open_connection
from apps.persistence.store.settings import ConnectionSettings

CONNECTION_OPTIONS = {
    "--user": ("USER", "NATS user"),
    "--password": ("PASSWORD", "its password; better by the variable, as others can read a command line"),
    "--credentials": ("CREDENTIALS", "a .creds file"),
    "--nkey": ("NKEY", "a file with an nkey seed"),
    "--tls-ca": ("TLS_CA", "the authority that signed the server's certificate"),
    "--tls-cert": ("TLS_CERT", "our own certificate"),
    "--tls-key": ("TLS_KEY", "its key"),
    "--js-domain": ("DOMAIN", "the JetStream domain"),
    "--monitor": ("MONITOR_URL", "the server's HTTP monitoring, such as http://127.0.0.1:8222"),
}


def parse(arguments: Sequence[str], *, default_data: Path) -> argparse.Namespace:
    """The options; exits with a message where one is wrong."""
    parser = argparse.ArgumentParser(prog="run.py up", description="Start the console on this machine.", allow_abbrev=False)
    parser.add_argument("--port", type=_port, default=8000, help="where browsers connect, on this machine alone (8000; 0: any free one)")
    parser.add_argument("--data", type=Path, default=default_data, metavar="DIR", help="what is kept lies here (./var)")
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="no demo data")
    parser.add_argument("--demo-rate", type=_rate, default=5.0, metavar="N", help="demo events per second (5)")
    group = parser.add_argument_group("an external NATS server instead of the embedded one; each has a variable too")
    group.add_argument("--nats", default=_variable("URL"), metavar="URL", help="its address, several by commas (CIM_NATS_URL)")
    for option, (suffix, meaning) in CONNECTION_OPTIONS.items():
        group.add_argument(option, dest=suffix, default=_variable(suffix), help=f"{meaning} (CIM_NATS_{suffix})")
    options = parser.parse_args(arguments)
    options.data = options.data.expanduser().resolve()
    given = [option for option, (suffix, _) in CONNECTION_OPTIONS.items() if getattr(options, suffix)]
    if given and not options.nats:
        parser.error(f"{given[0]} describes an external server; name it with --nats URL.")
    options.demo = options.demo and not options.nats
    return options


def home_settings(options: argparse.Namespace) -> ConnectionSettings | None:
    """The external server, once it has answered; None for the embedded one. Raises as `open_connection` does, and JetStreamDisabled."""
    if not options.nats:
        return None
    settings = ConnectionSettings(
        url=options.nats,
        user=options.USER,
        password=options.PASSWORD,
        credentials_file=_absolute(options.CREDENTIALS),
        nkey_file=_absolute(options.NKEY),
        tls_ca_file=_absolute(options.TLS_CA),
        tls_cert_file=_absolute(options.TLS_CERT),
        tls_key_file=_absolute(options.TLS_KEY),
        domain=options.DOMAIN,
        api_prefix=_variable("API_PREFIX"),
        monitor_url=options.MONITOR_URL,
        inbox_prefix=_variable("INBOX_PREFIX") or "_INBOX",
    )
    asyncio.run(_check(settings))
    return settings


async def _check(settings: ConnectionSettings) -> None:
    async with open_connection(settings) as connection:
        await connection.api("INFO")


def _variable(suffix: str) -> str | None:
    return os.environ.get(f"CIM_NATS_{suffix}", "").strip() or None


def _absolute(path: str | None) -> str | None:
    """The path as seen from where the person typed it."""
    return str(Path(path).expanduser().resolve()) if path else None


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; give events per second, above 0 and up to 1000")
    return rate
