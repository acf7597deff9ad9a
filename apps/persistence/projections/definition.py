"""This module is what a projection is: a name, the events it takes, and a pure function from events and models to changed models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..encoding import Value
from ..errors import InvalidInput
from ..events import StoredEvent
from ..store import check_key
from ..subjects import check_pattern, check_token

Model = dict[str, Value]
Models = Mapping[str, Model | None]
"""Read models by key `{model_type}.{id}`; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a projection writes that has no bucket of its own: model `key` becomes the message `{prefix}.{key}` of `stream`, as it is,
    without metadata around it. All builds share these messages, so `apply` must leave what is newer than its event as it is.
    """

    stream: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionDefinition:
    """A projection that a domain declares.

    For each event that matches one of `subjects` (full subject patterns of `stream`), `keys` names the models that it may read or
    change, as `{model_type}.{id}`, and `apply` gets the event and exactly those models (None where there is none yet) and returns
    those that changed (None deletes). Both are pure; models hold what DAG-CBOR can. An exception in either stops the projection at
    this event, with its text as the reason; nothing is skipped silently.

    `version` changes whenever `apply` would give other models; they are then built anew, and until that is done readers of the new version
    get the old ones through `transforms`, where `transforms[n]` makes a model (given with its key) of version n one of version n + 1, and
    none where a step is missing. `rate_limit` is in events a second. `is_idempotent` says that applying
    events again, in order and up to the newest, ends in the same models (so part of the stream may be replayed into them).
    A projection that does not read payloads (`reads_payload` is false) gets events as they are stored, sealed payloads too; any other stops
    at a payload that it has no key for, and passes over one whose key was destroyed.
    `from_openings` says that it makes its models of opening events too (see events/opening.py); others never see them, and begin behind an
    archive with the models of that place (see starting.py). `starts` is set there: for which projection starting models are made.
    `generation` is set by `placing` where another generation of the stream serves; `stream` and `subjects` are then that one's.
    `target` is for built-in projections whose models are messages of a stream instead of keys of a bucket.
    """

    name: str
    version: int
    title: str
    subjects: tuple[str, ...]
    keys: Callable[[StoredEvent], Sequence[str]]
    apply: Callable[[StoredEvent, Models], Models]
    description: str = ""
    stream: str = "CIM-EVENTS"
    rate_limit: float | None = None
    is_idempotent: bool = False
    reads_payload: bool = True
    is_builtin: bool = False
    from_openings: bool = False
    demo: bool = False
    target: Target | None = None
    generation: int = 1
    starts: str = ""
    transforms: Mapping[int, Callable[[str, Model], Model]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_token(self.name, "a projection's name")
        if self.version < 1:
            raise InvalidInput(f"Projection {self.name} has version {self.version}; versions begin at 1.")
        if self.transforms and sorted(self.transforms) != list(range(min(self.transforms), self.version)):
            raise InvalidInput(
                f"Projection {self.name} has version {self.version} and transforms from {', '.join(map(str, sorted(self.transforms)))}; "
                f"they must lead step by step to version {self.version}."
            )
        for subject in self.subjects:
            check_pattern(subject)


def model_key(model_type: str, model_id: str) -> str:
    """The key of a read model. Raises InvalidInput where either part cannot stand in a key."""
    return check_key(f"{check_token(model_type, 'a model type')}.{model_id}")


def bucket_of(name: str, build: int) -> str:
    """The bucket that holds build `build` of projection `name`; also the name of its durable consumer."""
    return f"cim-{name}-{build}"
