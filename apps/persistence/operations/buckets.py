"""This module is buckets: making a key-value bucket or an object store, and changing how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..errors import InvalidInput, StreamNotFound
from ..registry import Registry
from ..store import Store, get_stream
from ..subjects import is_token
from ..work.operation import Change, Outcome, Plan, Progress
from .blast import blast_radius
from .change_stream import what_goes
from .protection import Act, check_allowed
from .stream_choices import every_bucket
from .stream_settings import NO_LIMIT, age_words, parse_age, parse_size

MOST_HISTORY = 64
SECOND = 1_000_000_000
DUPLICATE_WINDOW = 120 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBucket:
    """Makes a bucket: of keys with values and their history, or of objects of any size."""

    title: ClassVar[str] = "Create a bucket"
    permission: ClassVar[str] = "operations.create_bucket"

    name: str = field(metadata={"help": "Its name: letters, digits, _ and -."})
    kind: Literal["key-value", "objects"] = field(default="key-value", metadata={"help": "What it holds."})
    history: int = field(default=1, metadata={"help": "Of keys: how many revisions of each are kept.", "least": 1, "most": MOST_HISTORY})
    ttl: str = field(default="", metadata={"help": "What is in it expires after this time, such as 30 d. Empty: never."})
    max_bytes: str = field(default="", metadata={"help": "At most so much, such as 1 GB. Empty: no limit."})
    storage: Literal["file", "memory"] = field(default="file", metadata={"help": "Memory is gone when the server restarts."})
    replicas: int = field(default=1, metadata={"help": "On how many servers of a cluster it lies.", "least": 1, "most": 5})
    description: str = field(default="", metadata={"help": "What it is for."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/{self._stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would be. Raises InvalidInput for a name that is taken or cannot be."""
        check_allowed(registry, Act.CREATE, self._stream)
        config = self._config()
        try:
            await get_stream(store.connection, self._stream)
        except StreamNotFound:
            pass
        else:
            raise InvalidInput(f"name is {self.name[:80]!r}, and there is such a bucket; change that one, or choose another name.")
        return Plan(
            summary=f"Create the bucket {self.name}",
            saw={"exists": False},
            changes=(
                Change(what="Holds", now="–", after=self.kind),
                *((Change(what="Revisions of a key", now="–", after=str(self.history)),) if self.kind == "key-value" else ()),
                Change(what="Expires", now="–", after=age_words(config["max_age"]) if config["max_age"] else "never"),
                Change(what="Storage", now="–", after=self.storage),
                Change(what="Stream", now="–", after=self._stream),
            ),
            undo=f"Delete {self._stream}.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Create it; the very same one that an interrupted attempt made is taken as done."""
        check_allowed(registry, Act.CREATE, self._stream)
        await store.connection.api(f"STREAM.CREATE.{self._stream}", self._config(), stream=self._stream)
        return Outcome(sentence=f"The bucket {self.name} is there, in the stream {self._stream}.")

    @property
    def _stream(self) -> str:
        return f"{'KV' if self.kind == 'key-value' else 'OBJ'}_{self.name}"

    def _config(self) -> dict[str, Any]:
        if not is_token(self.name):
            raise InvalidInput(f"name is {self.name[:60]!r}; a bucket's name holds letters, digits, _ and - only.")
        max_age = parse_age("ttl", self.ttl) if self.ttl else 0
        config: dict[str, Any] = {
            "name": self._stream,
            "description": self.description,
            "storage": self.storage,
            "num_replicas": self.replicas,
            "discard": "new",
            "max_age": max_age,
            "max_bytes": parse_size("max_bytes", self.max_bytes) if self.max_bytes else -1,
            "duplicate_window": min(max_age, DUPLICATE_WINDOW) if max_age else DUPLICATE_WINDOW,
            "allow_direct": True,
            "allow_rollup_hdrs": True,
        }
        if self.kind == "objects":
            return config | {"subjects": [f"$O.{self.name}.C.>", f"$O.{self.name}.M.>"]}
        keys = {"subjects": [f"$KV.{self.name}.>"], "max_msgs_per_subject": self.history, "deny_delete": True, "allow_atomic": True}
        return config | keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBucket:
    """Changes how many revisions of a key a bucket keeps, and for how long; what is left empty stays as it is."""

    title: ClassVar[str] = "Change a bucket"
    permission: ClassVar[str] = "operations.change_bucket"

    bucket: str = field(metadata={"help": "The key-value bucket.", "choices": every_bucket})
    history: int | None = field(
        default=None, metadata={"help": "How many revisions of each key are kept. Empty: unchanged.", "least": 1, "most": MOST_HISTORY}
    )
    ttl: str = field(default="", metadata={"help": "Values expire after this time, such as 30 d. Empty: unchanged; none: never."})

    @property
    def target(self) -> str:
        """One change at a time for each stream."""
        return f"stream/KV_{self.bucket}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """The difference, and what would go. Raises InvalidInput where nothing would change or it may not, StreamNotFound."""
        info = await get_stream(store.connection, f"KV_{self.bucket}")
        check_allowed(registry, Act.CHANGE, info.name, info)
        wanted = self._wanted()
        now_kept, now_age = info.config.get("max_msgs_per_subject", 1), info.config.get("max_age", 0)
        changes = (
            Change(what="Revisions of a key", now=str(now_kept), after=str(wanted.get("max_msgs_per_subject", now_kept))),
            Change(what="Expires", now=_expires(now_age), after=_expires(wanted.get("max_age", now_age))),
        )
        if all(change.now == change.after for change in changes):
            raise InvalidInput(f"Nothing of {self.bucket} would change: it has these settings already.")
        goes = await what_goes(store.connection, info, wanted)
        return Plan(
            summary=f"Change the bucket {self.bucket}",
            saw={change.what: change.now for change in changes},
            changes=changes,
            counts=tuple(goes.items()),
            notes=(
                *(f"{count:,} revisions {name} go at once." for name, count in goes.items()),
                *(await blast_radius(store.connection, registry, info)),
            ),
            undo="The settings can be changed back; what goes is gone." if goes else "Change it back.",
            confirm_with=self.bucket if goes else "",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Change these settings and no others. Raises ServerRefused with the server's own words and code."""
        info = await get_stream(store.connection, f"KV_{self.bucket}")
        check_allowed(registry, Act.CHANGE, info.name, info)
        wanted = self._wanted()
        if wanted.get("max_age"):
            wanted["duplicate_window"] = min(wanted["max_age"], info.config.get("duplicate_window") or DUPLICATE_WINDOW)
        await store.connection.api(f"STREAM.UPDATE.{info.name}", {**info.config, **wanted}, stream=info.name)
        after = (await get_stream(store.connection, info.name)).config
        kept = after.get("max_msgs_per_subject", 1)
        return Outcome(
            sentence=f"{self.bucket} keeps {kept} revision{'' if kept == 1 else 's'} of a key; values expire: {_expires(after['max_age'])}."
        )

    def _wanted(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {"max_msgs_per_subject": self.history} if self.history else {}
        if self.ttl:
            wanted["max_age"] = 0 if self.ttl.strip().lower() in (*NO_LIMIT, "never") else parse_age("ttl", self.ttl)
        return wanted


def _expires(nanoseconds: int) -> str:
    return f"after {age_words(nanoseconds)}" if nanoseconds else "never"
