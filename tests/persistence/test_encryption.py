"""Sealed payloads: what lies in the block, what opens it, and what is refused; no server needed."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidEvent, InvalidInput, PayloadRedacted, PayloadUnreadable
from apps.persistence.events import (
    AggregateRef,
    Algorithm,
    Destruction,
    Event,
    FileKeys,
    InMemoryKeys,
    KeyStore,
    Scope,
    Sealing,
    SnapshotPolicy,
    Upcaster,
    Upcasters,
    new_id,
    sealed_in,
)

from .baskets import BASKET

ADA = AggregateRef("people", "patient", "ada")
DESTROYED = Destruction(subject=ADA, keys=(), at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC), by="olga", reason="asked to be forgotten")
BOTH = list(Algorithm)


def event(**changes: object) -> Event:
    given = Event(
        aggregate=ADA,
        version=1,
        type="admitted",
        schema=1,
        id="019ab000-0000-7000-8000-000000000001",
        time=datetime(2026, 11, 21, tzinfo=UTC),
        actor="desk",
        correlation="019ab000-0000-7000-8000-000000000001",
        causation=None,
        scope=Scope.CLUSTER,
        previous=None,
        payload={"name": "Ada", "ward": 7},
        metadata={"form": "A1"},
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def sealing(keys: KeyStore | None = None, algorithm: Algorithm = Algorithm.AES_256_GCM) -> Sealing:
    return Sealing(types={("people", "patient"): algorithm}, keys=keys or InMemoryKeys())


@pytest.fixture(params=["memory", "files"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    return InMemoryKeys() if request.param == "memory" else FileKeys(tmp_path / "keys")


@pytest.mark.parametrize("algorithm", BOTH)
def test_sealed_payload_comes_out_of_the_block_as_it_went_in(algorithm: Algorithm) -> None:
    ours = sealing(algorithm=algorithm)

    stored = Event.from_block(ours.seal(event()).to_block())

    assert ours.open(stored) == event()


@pytest.mark.parametrize("algorithm", BOTH)
def test_block_names_algorithm_and_key_and_shows_everything_but_the_payload(algorithm: Algorithm) -> None:
    block = sealing(algorithm=algorithm).seal(event()).to_block()

    stored = Event.from_block(block)
    sealed = sealed_in(stored)
    assert sealed is not None
    assert (sealed.algorithm, sealed.key, len(sealed.nonce)) == (algorithm.value, "k1", 12)
    assert replace(stored, payload={}) == event(payload={})
    assert b"Ada" not in block


def test_same_event_becomes_the_same_bytes_so_that_an_append_can_be_repeated() -> None:
    ours = sealing()

    assert cid_of(ours.seal(event()).to_block()) == cid_of(ours.seal(event()).to_block())


def test_nonces_differ_where_payload_or_place_differ() -> None:
    ours = sealing()
    events = [event(), event(payload={"name": "Bob", "ward": 7}), event(id=new_id()), event(type="moved"), event(schema=2)]

    nonces = {sealed.nonce for one in events if (sealed := sealed_in(ours.seal(one)))}

    assert len(nonces) == 5


def test_another_key_of_the_same_name_is_said_to_be_the_wrong_one() -> None:
    stored = sealing().seal(event())
    other = sealing()
    other.seal(event())

    with pytest.raises(PayloadUnreadable, match=r"version 1 of people.patient.ada does not open with the key k1 that is here"):
        other.open(stored)


@pytest.mark.parametrize("moved", [{"id": new_id()}, {"type": "moved"}, {"schema": 2}])
def test_sealed_payload_does_not_open_in_another_place(moved: dict[str, object]) -> None:
    ours = sealing()
    stored = ours.seal(event())

    with pytest.raises(PayloadUnreadable, match=r"or the event was changed"):
        ours.open(replace(stored, **moved))  # type: ignore[arg-type]


def test_unknown_algorithm_is_named() -> None:
    ours = sealing()
    stored = ours.seal(event())
    sealed = sealed_in(stored)
    assert sealed is not None

    with pytest.raises(PayloadUnreadable, match=r"encrypted with 'AES-512', and this version knows AES-256-GCM and ChaCha20-Poly1305"):
        ours.open(replace(stored, payload=replace(sealed, algorithm="AES-512").to_payload()))


def test_without_the_key_it_says_which_is_missing() -> None:
    stored = sealing().seal(event())

    with pytest.raises(PayloadUnreadable, match=r"is encrypted, and the key k1 is not here"):
        Sealing().open(stored)


def test_encrypted_type_is_not_written_where_no_keys_are() -> None:
    keyless = Sealing(types={("people", "patient"): Algorithm.AES_256_GCM})

    with pytest.raises(PayloadUnreadable, match=r"people.patient are stored encrypted, and this process has no keys"):
        keyless.seal(event())


def test_payload_that_looks_sealed_is_not_taken() -> None:
    with pytest.raises(InvalidEvent, match=r"holds '\$sealed', the mark of sealed ones; rename the field"):
        Sealing().seal(event(payload={"$sealed": 1}))


def test_stored_payload_that_only_looks_sealed_is_read_as_it_is() -> None:
    stored = event(payload={"$sealed": {"algorithm": "x"}})

    assert Sealing().open(stored) is stored


def test_payload_is_opened_before_it_is_upcast() -> None:
    ours = sealing()
    step = Upcaster(context="people", aggregate="patient", type="admitted", from_schema=1, apply=lambda said: {**said, "floor": 2})

    read = Upcasters([step], sealing=ours).upcast(ours.seal(event()))

    assert (read.schema, read.payload) == (2, {"name": "Ada", "ward": 7, "floor": 2})


def test_rotated_key_seals_and_the_older_one_still_opens(keys: KeyStore) -> None:
    ours = sealing(keys)
    before = ours.seal(event())

    keys.rotate_key(ADA)

    after = ours.seal(event())
    names = [sealed.key for one in (before, after) if (sealed := sealed_in(one))]
    assert names == ["k1", "k2"]
    assert (ours.open(before), ours.open(after)) == (event(), event())
    assert keys.key_ids(ADA) == ("k1", "k2")


def test_destroyed_keys_open_nothing_and_say_who_destroyed_them(keys: KeyStore) -> None:
    ours = sealing(keys)
    stored = ours.seal(event())
    keys.rotate_key(ADA)

    gone = keys.destroy_keys(DESTROYED)

    assert gone.keys == (() if isinstance(keys, InMemoryKeys) else ("k1", "k2"))
    assert keys.key_ids(ADA) == ()
    with pytest.raises(PayloadRedacted, match=r"was redacted on 2026-11-21 at 09:30 UTC by olga: asked to be forgotten"):
        ours.open(stored)


def test_nothing_more_is_written_about_a_subject_whose_keys_were_destroyed(keys: KeyStore) -> None:
    keys.current_key(ADA)
    keys.destroy_keys(DESTROYED)

    with pytest.raises(PayloadRedacted, match=r"Nothing more can be encrypted for it"):
        sealing(keys).seal(event())
    with pytest.raises(PayloadRedacted):
        keys.rotate_key(ADA)


def test_keys_are_destroyed_once(keys: KeyStore) -> None:
    keys.current_key(ADA)
    keys.destroy_keys(DESTROYED)

    again = keys.destroy_keys(replace(DESTROYED, by="oscar"))

    assert again.by == "olga"


def test_other_subjects_keep_their_keys(keys: KeyStore) -> None:
    bob = AggregateRef("people", "patient", "bob")
    kept = keys.current_key(bob)
    keys.current_key(ADA)

    keys.destroy_keys(DESTROYED)

    assert keys.find_key(bob, "k1") == kept


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    FileKeys(tmp_path / "keys").current_key(ADA)

    file = tmp_path / "keys" / "people" / "patient" / "ada.json"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent, tmp_path / "keys")]
    assert modes == [0o600, 0o700, 0o700, 0o700]


def test_another_process_sees_new_keys_and_destroyed_ones(tmp_path: Path) -> None:
    one, other = FileKeys(tmp_path), FileKeys(tmp_path)
    assert other.find_key(ADA, "k1") is None

    made = one.current_key(ADA)
    assert other.current_key(ADA) == made
    one.rotate_key(ADA)
    assert other.key_ids(ADA) == ("k1", "k2")
    one.destroy_keys(DESTROYED)
    assert other.find_key(ADA, "k1") is None


def test_destroyed_secret_is_not_left_in_the_folder(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    secret = keys.current_key(ADA).secret.hex()

    keys.destroy_keys(DESTROYED)

    assert [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_text()] == []


def test_damaged_key_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    FileKeys(tmp_path).current_key(ADA)
    file = tmp_path / "people" / "patient" / "ada.json"
    file.write_text('{"keys": [{"id": "k1", "secret": "00"}], "destroyed": null}')

    with pytest.raises(
        InvalidInput, match=r"keys of people.patient.ada cannot be read from .*ada.json: ValueError: a secret has not 32 bytes"
    ):
        FileKeys(tmp_path).current_key(ADA)


def test_key_does_not_show_its_secret_when_it_is_printed() -> None:
    assert repr(InMemoryKeys().current_key(ADA)) == "Key(id='k1')"


def test_encrypted_type_cannot_have_a_policy_of_snapshots() -> None:
    with pytest.raises(InvalidInput, match=r"shop.basket is encrypted and has a policy of snapshots"):
        replace(BASKET, encryption=Algorithm.AES_256_GCM, snapshots=SnapshotPolicy(every_events=10))
