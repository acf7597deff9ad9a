"""This module is the one tree of errors that the persistence module raises.

    PersistenceError
    ├── InvalidInput             a value that the caller gave cannot be used
    │   ├── InvalidSubject       a token, subject or pattern outside the grammar
    │   ├── InvalidCid           text or bytes that are not a CID of our profile
    │   ├── InvalidEvent         an event that cannot be stored, or a block that is not an event
    │   │   └── PayloadUnreadable    encrypted, and the key is not here or is another one
    │   │       └── PayloadRedacted  the key was destroyed on purpose; nobody can read it any more
    │   ├── InvalidProof         a proof of the log that does not show what it is to show
    │   ├── InvalidState         a state that a fold cannot make or a command cannot leave
    │   └── NoMigrationPath      no declared migrations lead from one schema version to the other
    ├── EncodingError            bytes or values that are not strict DAG-CBOR
    ├── NotFound
    │   ├── ConnectionNotFound, StreamNotFound, EventNotFound, AggregateNotFound, CidNotFound, KeyNotFound
    │   ├── NoRoute              no route takes messages on this subject
    │   └── NoMapping            one context wants an event of another, and no mapping says how it is said there
    ├── Conflict                 somebody else was first; read again, then decide
    │   ├── VersionConflict, RevisionConflict, LeaseLost, PlanStale
    │   ├── BlockConflict        another event is stored as this version; the histories have parted
    │   ├── HistoryRewritten     what was signed or witnessed is not how the log begins now
    │   ├── LogIncomplete        the kept tree of a log is gone or shorter, and is logged again
    │   ├── StreamClosed         another generation of the stream takes events now
    │   └── MigrationConflict    two claim one step, it is applied already, or another is running
    ├── Unavailable              no answer that can be relied on now
    │   ├── Unreachable, WrongCredentials, PermissionDenied, JetStreamDisabled, OutOfSpace
    │   ├── FeatureUnavailable   this server is too old, or the stream does not allow it
    │   └── AppendUnresolved     not known whether the events are stored; append the same events again
    ├── ServerRefused            any other error that JetStream gives, with its own code
    ├── ContinuityLost           a reader met a sequence out of order
    ├── ContentDamaged           what is stored under a CID is something else
    ├── ProjectionFailed         an event that a projection cannot apply
    ├── MigrationFailed          a migration stopped; it says at which step and what it left
    └── UnknownModelSchema       a read model of a schema that its reader cannot read

A class exists where some caller acts on it. Each message is one sentence that an operator can act on.
"""

from __future__ import annotations

from collections.abc import Sequence


class PersistenceError(Exception):
    """Everything that the persistence module raises on purpose."""


class InvalidInput(PersistenceError):
    """A value that the caller gave cannot be used."""


class InvalidSubject(InvalidInput):
    """A token, subject or pattern is outside the grammar."""


class InvalidCid(InvalidInput):
    """Text or bytes are not a CID of our profile (CIDv1, dag-cbor, BLAKE3-256)."""


class InvalidEvent(InvalidInput):
    """An event cannot be stored, or a block is well-formed DAG-CBOR but not an event."""


class PayloadUnreadable(InvalidEvent):
    """An event's payload is encrypted and does not open here; everything else about the event can be read."""


class PayloadRedacted(PayloadUnreadable):
    """The key of an event's payload was destroyed on purpose: it is gone for everybody, and readers go on without it."""


class InvalidProof(InvalidInput):
    """A proof of the log does not show what it is to show, or cannot be made from what is kept."""


class InvalidState(InvalidInput):
    """A fold met an event that its state does not allow, or a command is not legal now."""


class NoMigrationPath(InvalidInput):
    """No declared migrations lead from one schema version to the other, or one on the way cannot be undone."""

    def __init__(self, *, current: object, wanted: object, reason: str) -> None:
        super().__init__(f"No migrations lead from schema {current} to {wanted}: {reason}")
        self.current = current
        self.wanted = wanted


class EncodingError(PersistenceError):
    """Bytes or values are not strict DAG-CBOR."""


class NotFound(PersistenceError):
    """What was asked for is not there."""


class ConnectionNotFound(NotFound):
    """No connection of this name is configured."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no connection {name[:80]!r}; there {'are' if len(known) > 1 else 'is'} {', '.join(known)}.")


class StreamNotFound(NotFound):
    """The server has no stream of this name."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"There is no stream {stream[:80]} on this server (code 10059); check its name in the list of streams.")
        self.stream = stream


class EventNotFound(NotFound):
    """The stream holds no message at this sequence."""

    def __init__(self, stream: str, sequence: int) -> None:
        super().__init__(f"{stream[:80]} holds no message at sequence {sequence:,}; it was deleted, has expired or was never written.")
        self.stream = stream
        self.sequence = sequence


class AggregateNotFound(NotFound):
    """No event of this aggregate is stored."""


class CidNotFound(NotFound):
    """No stored event has this CID."""


class KeyNotFound(NotFound):
    """The bucket holds no such key."""


class NoRoute(NotFound):
    """No route of a router matches the subject of a message."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"No route takes messages on {subject}; add one, or do not send them there.")
        self.subject = subject


class NoMapping(NotFound):
    """A context wants an event of another, and no mapping says how it is said there; nothing was sent."""

    def __init__(self, *, source: str, target: str, missing: str) -> None:
        super().__init__(f"No mapping from {source} to {target} covers {missing}; declare it, or end the interest of {target}.")
        self.source = source
        self.target = target


class Conflict(PersistenceError):
    """Somebody else was first; read again, then decide."""


class VersionConflict(Conflict):
    """The aggregate is not at the version that the caller expected; nothing was stored."""

    def __init__(self, aggregate: object, *, expected: int, actual: int) -> None:
        super().__init__(f"{aggregate} is at version {actual}, not {expected}; nothing was stored. Load it again and decide anew.")
        self.aggregate = aggregate
        self.expected = expected
        self.actual = actual


class BlockConflict(Conflict):
    """Another event is stored as a version that was to be brought in; the two histories have parted there."""

    def __init__(self, aggregate: object, *, version: int, stored: object, wanted: object) -> None:
        super().__init__(
            f"{aggregate} has another event as version {version}: {stored} is stored, and {wanted} was to be. The two histories have "
            "parted there, and neither was changed."
        )
        self.aggregate = aggregate
        self.version = version


class RevisionConflict(Conflict):
    """A key changed since it was read; nothing was written."""

    def __init__(self, key: str, *, expected: int | None) -> None:
        super().__init__(f"{key} is no longer at revision {expected}; nothing was written. Read it again.")
        self.key = key
        self.expected = expected


class LeaseLost(Conflict):
    """Another worker holds the lease now; stop working on its target at once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The lease {name} is held by another worker; this one stops.")
        self.name = name


class PlanStale(Conflict):
    """The world has moved since the plan was made."""


class HistoryRewritten(Conflict):
    """What was signed or witnessed before is not how the log begins now; nothing was signed."""


class LogIncomplete(Conflict):
    """The kept tree of a log lacks what was signed, which alone is no alarm; nothing is signed until a worker has logged it again."""


class StreamClosed(Conflict):
    """The stream takes no events: another generation of it serves, or is about to. Nothing was stored; load again, then decide anew."""

    def __init__(self, stream: str, *, successor: str | None) -> None:
        now = f"{successor} serves now" if successor else "its events are being moved to another generation"
        super().__init__(f"{stream} takes no more events: {now}. Nothing was stored; load the aggregate again and decide anew.")
        self.stream = stream
        self.successor = successor


class MigrationConflict(Conflict):
    """Two migrations claim one step, this one is applied already, or another is running."""


class Unavailable(PersistenceError):
    """No answer that can be relied on now."""


class Unreachable(Unavailable):
    """No NATS server answers at the address."""


class WrongCredentials(Unavailable):
    """The server refused the user, password, nkey, credentials or certificate."""


class PermissionDenied(Unavailable):
    """The NATS user may not do this; the message names the subject."""


class JetStreamDisabled(Unavailable):
    """The server or the account has no JetStream."""


class FeatureUnavailable(Unavailable):
    """This server is too old for it, or the stream's configuration does not allow it."""


class AppendUnresolved(Unavailable):
    """It is not known whether the events are stored. Appending the same events again is safe."""


class OutOfSpace(Unavailable):
    """The server has no storage left."""


class ServerRefused(PersistenceError):
    """JetStream refused the request, in its own words and with its own code."""

    def __init__(self, description: str, *, code: int, err_code: int) -> None:
        super().__init__(f"The server refused: {description} (code {err_code or code}).")
        self.description = description
        self.code = code
        self.err_code = err_code


class ContinuityLost(PersistenceError):
    """A reader met a sequence out of order and could not repair it."""


class ContentDamaged(PersistenceError):
    """What is stored under a CID, or as an object, is something else; it is not handed out. Fetch it elsewhere, or put it anew."""


class ProjectionFailed(PersistenceError):
    """An event cannot be applied; the projection stops at it."""

    def __init__(self, projection: str, *, sequence: int, reason: str) -> None:
        super().__init__(f"{projection} cannot apply the event at sequence {sequence:,}: {reason}")
        self.projection = projection
        self.sequence = sequence
        self.reason = reason


class MigrationFailed(PersistenceError):
    """A migration stopped at `step`; `left` says what it left behind."""

    def __init__(self, migration: str, *, step: str, reason: str, left: str) -> None:
        super().__init__(f"The migration {migration} failed at {step}: {reason} {left}")
        self.migration = migration
        self.step = step
        self.reason = reason
        self.left = left


class UnknownModelSchema(PersistenceError):
    """A read model has a schema that its reader neither knows nor can upgrade; it is not read."""

    def __init__(self, key: str, *, found: int, known: int) -> None:
        super().__init__(
            f"The read model {key} has schema {found}, and this reader knows {known}; "
            f"{'run newer code' if found > known else 'rebuild the projection, or declare the step from it'}."
        )
        self.key = key
        self.found = found
        self.known = known
