"""This module is the attacks: eighteen kinds, each as somebody with the server does it, and as somebody thorough does it.

stream      the stream is made anew, everything else on the server is left as it was
records     tiles, their states, checkpoints, refusals, marks and manifests follow: nothing on the server contradicts it
key         as `records`, and signed again with the operator's stolen key
other       with the key, on another server of the attacker's own, where a signer of theirs answers; one auditor is sent there
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from apps.persistence.store import Store, read_generations

from . import forgeries
from .attacker import steal_key
from .forgeries import Forge, Past
from .history import History, first_difference, read_history
from .stage import Scene, show_in_false_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """After an attack: what an auditor is shown, the first sequence at which that is not the honest history, and what they kept."""

    store: Store
    first: int | None
    kept: bytes | None


Strike = Callable[[Scene, random.Random], Awaitable[Struck]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One row of the table; `can_be_placed` unless nobody who is asked can know where it begins."""

    title: str
    how: str
    strike: Strike
    has_backup: bool = False
    can_be_placed: bool = True

    @property
    def name(self) -> str:
        return f"{self.title} ({self.how})"


async def change_stream(scene: Scene, chance: random.Random, *, forge: Forge) -> Struck:
    first = await _replace(scene, chance, forge)
    return Struck(store=scene.store, first=first, kept=scene.kept)


async def change_records(scene: Scene, chance: random.Random, *, forge: Forge) -> Struck:
    first = await _replace(scene, chance, forge)
    await scene.attacker.roll_records_back(first - 1)
    return Struck(store=scene.store, first=first, kept=scene.kept)


async def roll_back_stream(scene: Scene, _: random.Random) -> Struck:
    """The server's own backup of the stream is put back."""
    honest = await read_history(scene.store)
    assert scene.backup is not None
    await scene.attacker.put_back(scene.backup)
    return Struck(store=scene.store, first=_difference(honest, await read_history(scene.store)), kept=scene.kept)


async def roll_back_everything(scene: Scene, chance: random.Random) -> Struck:
    """The stream and all buckets are those of an old backup, together."""
    struck = await roll_back_stream(scene, chance)
    assert struck.first is not None
    await scene.attacker.roll_records_back(struck.first - 1)
    return struck


async def forge_a_generation(scene: Scene, chance: random.Random) -> Struck:
    """Everything rewritten, in a stream of the attacker's own, which the bucket of generations says serves now; nobody signed that one."""
    layout = scene.store.layout
    past = Past.of(layout.of_generation(2), await read_history(scene.store), kept_size=scene.kept_size, chance=chance)
    await scene.attacker.make_generation(layout, 2, forgeries.rewrite_everything(past))
    await read_generations(scene.store.connection, layout.stream)
    return Struck(store=scene.store, first=1, kept=None)


async def sign_again(scene: Scene, chance: random.Random, *, forge: Forge, keeps: bool) -> Struck:
    """Signed with the stolen key and published in the place of the true checkpoints; the true signer still runs."""
    first = await _replace(scene, chance, forge)
    state = await scene.attacker.make_tiles_anew()
    await scene.attacker.sign_again(steal_key(scene.stage.true.folder), state)
    return Struck(store=scene.store, first=first, kept=scene.kept if keeps else None)


async def show_another_server(scene: Scene, chance: random.Random, *, forge: Forge, keeps: bool) -> Struck:
    """The auditor is led to a server of the attacker's own, where everything is in order, and signed by the same key."""
    honest = await read_history(scene.store)
    shown = forge(Past.of(scene.store.layout, honest, kept_size=scene.kept_size, chance=chance))
    store = await show_in_false_world(scene, shown)
    return Struck(store=store, first=_difference(honest, shown), kept=scene.kept if keeps else None)


async def _replace(scene: Scene, chance: random.Random, forge: Forge) -> int:
    """Put a forged history in the place of the honest one; the first sequence at which they differ."""
    honest = await read_history(scene.store)
    made = forge(Past.of(scene.store.layout, honest, kept_size=scene.kept_size, chance=chance))
    await scene.attacker.replace_stream(made)
    return _difference(honest, made)


def _difference(honest: History, shown: History) -> int:
    first = first_difference(honest, shown)
    assert first is not None, "an attack changes something"
    return first


def _both(title: str, forge: Forge) -> list[Attack]:
    return [
        Attack(title=title, how="stream", strike=partial(change_stream, forge=forge)),
        Attack(title=title, how="records", strike=partial(change_records, forge=forge)),
    ]


def _with_the_key(title: str, forge: Forge, *, keeps: bool) -> list[Attack]:
    return [
        Attack(title=title, how="key", strike=partial(sign_again, forge=forge, keeps=keeps)),
        Attack(title=title, how="other", strike=partial(show_another_server, forge=forge, keeps=keeps), can_be_placed=not keeps),
    ]


ATTACKS: tuple[Attack, ...] = (
    Attack(title="edit one payload under its old id", how="stream", strike=partial(change_stream, forge=forgeries.edit_under_the_old_id)),
    *_both("edit one payload", forgeries.edit_one_payload),
    *_both("delete one event, leave the gap", forgeries.delete_and_leave_the_gap),
    *_both("reorder two events of different aggregates", forgeries.reorder_two),
    *_both("edit and relink", forgeries.edit_and_relink),
    *_both("edit the last event of an aggregate", forgeries.edit_the_last),
    *_both("delete and relink", forgeries.delete_and_relink),
    *_both("insert and relink", forgeries.insert_and_relink),
    *_both("truncate an aggregate's tail", forgeries.truncate_an_aggregate),
    *_both("truncate the stream's tail", forgeries.truncate_the_stream),
    *_both("omit a whole aggregate", forgeries.omit_an_aggregate),
    *_both("insert a forged aggregate in the past", forgeries.insert_a_forged_aggregate),
    *_both("fork at the head", forgeries.fork_at_the_head),
    Attack(title="roll back to an old backup", how="stream", strike=roll_back_stream, has_backup=True),
    Attack(title="roll back to an old backup", how="records", strike=roll_back_everything, has_backup=True),
    *_both("rewrite the whole history", forgeries.rewrite_everything),
    Attack(title="forge a generation", how="stream", strike=forge_a_generation),
    *_with_the_key("rewrite, sign again, show it to a new auditor", forgeries.rewrite_everything, keeps=False),
    *_with_the_key("split view, both signed", forgeries.split_the_view, keeps=True),
)
"""In the order of the table; rewriting the whole history with the records is the row “… and the console's database too”."""
