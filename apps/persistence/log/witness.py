"""This module is a witness as a process of its own: `python -m apps.persistence.log.witness`, best on somebody else's machine.

It needs no NATS, no Django and no console: a folder for its key and its database, the vkeys of the logs it watches, and a port.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from ..errors import InvalidInput, PersistenceError
from .keys import KeyKind, SigningKey, VerifierKey, read_key_file, write_key_file
from .notes import check_name
from .signed_database import open_signed_database
from .witnessing import Answer, Witness

MAX_BODY_BYTES = 16 * 1024
MAX_HEAD_BYTES = 8 * 1024
MOST_CLIENTS = 64
CLIENT_SECONDS = 10.0
NOTHING_ELSE = Answer(status=404, body="There is only POST /add-checkpoint, and GET /newest?origin=ORIGIN.\n")
OTHER_METHOD = Answer(status=405, body="There are only the methods GET and POST.\n")
TOO_LONG = Answer(status=431, body=f"A request has at most {MAX_HEAD_BYTES:,} bytes before its body.\n")
NO_REQUEST = Answer(status=400, body="This is no request of HTTP/1.0 or HTTP/1.1.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        logs = [VerifierKey.parse(text) for text in options.log]
        with (
            open_witness(options.folder, options.name, logs) as witness,
            serving(witness, options.host, options.port, is_quiet=options.quiet) as server,
        ):
            signal.signal(signal.SIGTERM, _interrupt)
            sys.stdout.write(f"{witness.key.verifier.vkey}\nhttp://{options.host}:{server.server_port}/\n")
            sys.stdout.flush()
            server.serve_forever()
    except KeyboardInterrupt:
        return 0
    except PersistenceError as error:
        sys.stderr.write(f"witness: {error}\n")
        return 1
    return 0


@contextmanager
def open_witness(folder: Path, name: str, logs: Sequence[VerifierKey]) -> Iterator[Witness]:
    """A witness with the key and database in a folder, both made where the folder is new.

    Raises InvalidInput where others can read the key, it bears another name, or a log's key is none; Conflict where another is at work.
    """
    for key in logs:
        if key.kind is not KeyKind.LOG:
            raise InvalidInput(f"{key.vkey} is no key of a log; the signer says its vkey when it starts.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_signed_database(folder / "seen.sqlite3") as database:
        path = folder / "witness.key"
        if not path.exists():
            write_key_file(path, SigningKey.generate(check_name(name), KeyKind.WITNESS))
        found = read_key_file(path)
        if found.kind is not KeyKind.WITNESS or found.name != name:
            raise InvalidInput(f"The key file {path} holds {found.verifier.vkey}, which is no witness's key of the name {name}.")
        yield Witness(found, database, logs)


@contextmanager
def serving(
    witness: Witness, host: str, port: int, *, is_quiet: bool = False, seconds: float = CLIENT_SECONDS
) -> Iterator[ThreadingHTTPServer]:
    """A server that gives each client so many seconds for its whole request. Raises InvalidInput where the port is taken."""

    class Handler(_Handler):
        asked = witness
        timeout = seconds
        is_silent_on_success = is_quiet

    try:
        server = _Server((host, port), Handler, seconds)
    except OSError as error:
        raise InvalidInput(f"Port {port} of {host} cannot be used: {error.strerror}. Name another one with --port.") from error
    with server:
        yield server
        server.end()


class _Server(ThreadingHTTPServer):
    """A thread for each client, of whom there are `MOST_CLIENTS` at most: the one that has been there longest makes room for a new one.

    The witness itself answers one after the other, which takes it milliseconds.
    """

    daemon_threads = True
    request_queue_size = 2 * MOST_CLIENTS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], seconds: float) -> None:
        self._seconds = seconds
        self._clients: dict[Any, float] = {}
        self._changing, self._answering = threading.Lock(), threading.Lock()
        self._is_ended = False
        super().__init__(address, handler)

    def answer(self, find: Callable[[], Answer]) -> Answer:
        """What the witness answers, in its turn."""
        with self._answering:
            return Answer(status=503, body="This witness is ending.\n") if self._is_ended else find()

    def end(self) -> None:
        """Answer nothing more, so that the database can be closed."""
        with self._answering:
            self._is_ended = True

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changing:
            if len(self._clients) >= MOST_CLIENTS:
                self._cut_off(next(iter(self._clients)))
            self._clients[request] = time.monotonic() + self._seconds
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off whoever has had its time, however much it sends."""
        now = time.monotonic()
        with self._changing:
            for request in [one for one, until in self._clients.items() if until < now]:
                self._cut_off(request)

    def _cut_off(self, request: Any) -> None:
        del self._clients[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no fault; anything else is said in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            sys.stderr.write(f"witness: a request was not answered: {error!r}\n")


class _Head:
    """The lines before the body, of which only so much is taken in all."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MAX_HEAD_BYTES

    def readline(self, size: int = -1) -> bytes:
        """Raises HTTPException, which is answered with 431, where there is more."""
        if not self._left:
            raise HTTPException(f"More than {MAX_HEAD_BYTES:,} bytes before the body.")
        line = self._file.readline(self._left)
        self._left -= len(line)
        return line

    def read(self, size: int) -> bytes:
        """The body."""
        return self._file.read(size)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHTTPRequestHandler):
    """One request, on a connection of its own."""

    asked: Witness
    server: _Server
    is_silent_on_success = False
    server_version = "witness"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile: Any = _Head(self.rfile)

    def parse_request(self) -> bool:
        """Whether there is a request to answer; an empty first line is answered, too."""
        is_request = super().parse_request()
        if not self.requestline.split():
            self.send_error(HTTPStatus.BAD_REQUEST)
        return is_request

    def do_GET(self) -> None:
        """What it has seen last of the log that is named."""
        path, _, query = self.path.partition("?")
        asked = parse_qs(query).get("origin", [])
        if path != "/newest" or len(asked) != 1:
            self._send(NOTHING_ELSE)
            return
        self._send(self.server.answer(lambda: self.asked.newest(asked[0])))

    def do_POST(self) -> None:
        """Answer the one request that there is."""
        if self.path != "/add-checkpoint":
            self._send(NOTHING_ELSE)
            return
        length = self._length()
        if isinstance(length, Answer):
            self._send(length)
            return
        body = self.rfile.read(length)
        if len(body) == length:
            self._send(self.server.answer(lambda: self.asked.add_checkpoint(body)))

    def _length(self) -> int | Answer:
        """How many bytes the body has, or what is wrong with what the request says of it."""
        said = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or not said:
            return Answer(status=411, body="A request says its length in Content-Length, and its body comes in one piece.\n")
        length = said[0].strip(" \t")
        if len(said) > 1 or not (length.isascii() and length.isdigit()):
            return Answer(status=400, body="The Content-Length of a request is one number, in decimal digits.\n")
        if len(length) > 9 or int(length) > MAX_BODY_BYTES:
            return Answer(status=413, body=f"A request has at most {MAX_BODY_BYTES:,} bytes.\n")
        return int(length)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer in plain text what is no request for the methods above."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._send(OTHER_METHOD)
        else:
            self._send(TOO_LONG if code == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else NO_REQUEST)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.recv(MAX_BODY_BYTES)  # what lies unread would have the system throw the answer away

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say the answer, if it is one that is to be said."""
        if not (self.is_silent_on_success and code == 200):
            super().log_request(code, size)

    def log_message(self, format: str, *args: object) -> None:
        """Say each answer in one line."""
        sys.stderr.write(f"{format % args}\n")

    def _send(self, answer: Answer) -> None:
        self.request_version = "HTTP/1.0"  # so that the answer has a head also where the first line said no version that is one
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        if answer is OTHER_METHOD:
            self.send_header("Allow", "GET, POST")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m apps.persistence.log.witness", description="Cosign checkpoints of the logs that are named."
    )
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="its key and what it has seen lie here; made at the first start"
    )
    parser.add_argument("--name", required=True, help="the name of its key, such as witness.example.org/one")
    parser.add_argument("--log", action="append", required=True, metavar="VKEY", help="a log that it watches; may be given again")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens (127.0.0.1); a TLS proxy belongs before any other")
    parser.add_argument("--port", type=int, default=0, help="its port (0: any free one, which it says)")
    parser.add_argument("--quiet", action="store_true", help="say only what it refuses")
    return parser.parse_args(arguments)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
