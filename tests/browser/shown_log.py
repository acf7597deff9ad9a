"""This module is a server that shows whatever history it is given, true or not, where a browser looks that verifies. It has no NATS."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.events import AggregateRef, Event
from apps.persistence.log import Checkpoint, KeyKind, SigningKey, TiledTree, leaf_bytes, sign_checkpoint
from apps.persistence.log.tiles import TILE_WIDTH
from apps.persistence.store import EVENTS
from tests.persistence.raw_stream import interleave, make_chain

STATIC = Path(__file__).resolve().parents[2] / "static"
STREAM = EVENTS.stream
KEY = SigningKey.generate("cim-test", KeyKind.LOG)


@dataclass(slots=True)
class ShownLog:
    """What a server shows: stored messages by sequence, the leaves that were logged, and what was signed of them."""

    messages: dict[int, tuple[str, bytes]]
    leaves: list[bytes]
    end: int
    note: bytes = b""
    vkeys: list[str] = field(default_factory=lambda: [KEY.verifier.vkey])
    rotations: list[bytes] = field(default_factory=list)
    refusal: str = ""
    lost: frozenset[str] = frozenset()
    breaks_after: int | None = None

    @property
    def tree(self) -> TiledTree:
        tree = TiledTree()
        tree.append(self.leaves)
        return tree

    def signed(self, key: SigningKey = KEY, *, stream: str = STREAM) -> ShownLog:
        """The same with a checkpoint over all its leaves."""
        named = key.named(f"{key.name}/{stream}")
        return replace(self, note=sign_checkpoint(Checkpoint(origin=named.name, size=len(self.leaves), root=self.tree.root()), named).raw)

    def without(self, *sequences: int) -> ShownLog:
        """The same with some messages gone from the stream."""
        return replace(self, messages={at: message for at, message in self.messages.items() if at not in sequences})

    def answer(self, path: str) -> bytes | None:
        """What lies at a path below the log's address; None where nothing does."""
        if path == "checkpoint":
            return self.note or None
        tiles = {tile.path: whole for tile, whole in self.tree.take_changed().items()}
        name, _, width = path.partition(".p/")
        step = 46 if "entries" in name else 32
        whole = tiles.get(name, b"")
        size = int(width or TILE_WIDTH) * step
        return whole[:size] if len(whole) >= size and path not in self.lost else None


def history(events: list[Event]) -> ShownLog:
    """Events one after the other from sequence 1, all logged."""
    blocks = [event.to_block() for event in events]
    messages = {at: (EVENTS.subject(event), block) for at, (event, block) in enumerate(zip(events, blocks, strict=True), start=1)}
    return ShownLog(messages=messages, leaves=[leaf(at, cid_of(block)) for at, block in enumerate(blocks, start=1)], end=len(events))


def leaf(sequence: int, cid: Cid | None) -> bytes:
    return leaf_bytes(sequence, cid)


def three_aggregates(count: int) -> list[Event]:
    """Three aggregates with so many events each, in turn."""
    return interleave(*(make_chain(AggregateRef("sales", "order", name), count) for name in ("o1", "o2", "o3")))


class ShownServer:
    """Serves the static files, and `shown`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.shown = ShownLog(messages={}, leaves=[], end=0)
        self.asked: list[str] = []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[bytes, dict[str, str], bool] | None:
        """Body, headers, and whether it is sent whole; the status of what is sent with a header `Status` is that one."""
        shown = self.shown
        self.asked.append(path)
        if path == f"/audit/{STREAM}/blocks":
            last = min(int(query["last"][0]), shown.end, int(query["first"][0]) + 9_999)
            headers = {"CIM-Last-Sequence": f"{last}", "CIM-Stream-Last-Sequence": f"{shown.end}"}
            body = _framed(shown, int(query["first"][0]), last)
            return body[: shown.breaks_after], headers, shown.breaks_after is None or len(body) < shown.breaks_after
        if path == "/log/vkeys" and shown.refusal:
            return shown.refusal.encode(), {"Status": "400"}, True
        if path == "/log/vkeys":
            return "".join(f"{vkey}\n" for vkey in shown.vkeys).encode(), {}, True
        if path.startswith("/log/vkeys/"):
            return shown.rotations[int(path.rpartition("/")[2]) - 2], {}, True
        found = shown.answer(path.removeprefix(f"/log/{STREAM}/"))
        return None if found is None else (found, {}, True)


@contextmanager
def shown_server() -> Iterator[ShownServer]:
    """A server in a thread, at an address of its own."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(STATIC))

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.startswith(("/js/", "/vendor/")):
                super().do_GET()
                return
            found = server.answer(url.path, parse_qs(url.query))
            body, headers, is_whole = found or (b"There is nothing here.", {}, True)
            self.send_response(int(headers.pop("Status", 200 if found else 404)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", f"{len(body) + (not is_whole)}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = ShownServer(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _framed(shown: ShownLog, first: int, last: int) -> bytes:
    parts = []
    for sequence, (subject, block) in sorted(shown.messages.items()):
        if first <= sequence <= last:
            parts.append(struct.pack(">QH", sequence, len(subject)) + subject.encode() + struct.pack(">I", len(block)) + block)
    return b"".join(parts)
