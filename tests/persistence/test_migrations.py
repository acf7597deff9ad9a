"""Migrations: the way between schema versions, doing and undoing, what is entered durably, and every way in which they are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.chain import verify_aggregate
from apps.persistence.errors import InvalidInput, MigrationConflict, MigrationFailed, NoMigrationPath, Unavailable
from apps.persistence.events import new_id
from apps.persistence.evolution import Migration, SchemaVersion, Steps, Work, abandon, apply, find_path, migrate_to, read_journal, roll_back
from apps.persistence.evolution.migration import check_migrations, ref_of
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import CONSOLE, Store, ensure_event_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer

V1, V1_1, V2, V3 = SchemaVersion(1), SchemaVersion(1, 1), SchemaVersion(2), SchemaVersion(3)


@pytest.fixture
async def console(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_event_stream(store.connection, CONSOLE)
        yield store


@pytest.fixture
def domain() -> str:
    """The name of a domain that no other test migrates."""
    return f"shop-{new_id()[-12:]}"


@pytest.fixture
def work(console: Store) -> Work:
    return Work(store=console, run=new_id(), by="ada", definitions={})


class Shelf:
    """Where the migrations of these tests leave their traces."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def step(self, name: str, start: SchemaVersion, end: SchemaVersion, *, can_undo: bool = True) -> Migration:
        async def do(work: Work) -> str:
            self.done.append(f"{name} up")
            return f"Did {name}."

        async def undo(work: Work) -> str:
            self.done.append(f"{name} down")
            return f"Undid {name}."

        change = Steps(do=do, undo=undo if can_undo else None)
        return Migration(id=name, title=name, from_version=start, to_version=end, change=change)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


# -- versions and paths ---------------------------------------------------------------------------------------------------------------


def test_versions_are_read_written_and_ordered_by_number() -> None:
    assert SchemaVersion.parse("1.10") > SchemaVersion.parse("1.9")
    assert str(SchemaVersion.parse("2.0.3")) == "2.0.3"
    assert SchemaVersion.parse("1.2.0") == SchemaVersion(1, 2)


@pytest.mark.parametrize("text", ["", "1", "1.", "v1.2", "1.2.3.4", "1.-2", "1.2\n", "٢.١"])
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no schema version; write it like"):
        SchemaVersion.parse(text)


def test_migration_must_lead_to_a_newer_version(shelf: Shelf) -> None:
    with pytest.raises(InvalidInput, match=r"leads from 2\.0 to 1\.1; it must lead to a newer version"):
        shelf.step("back", V2, V1_1)


def test_shortest_way_is_taken_whatever_the_order_of_declaration(shelf: Shelf) -> None:
    small, rest, jump, last = (shelf.step(*one) for one in [("a", V1, V1_1), ("b", V1_1, V2), ("c", V1, V2), ("d", V2, V3)])

    assert find_path([last, rest, small, jump], current=V1, wanted=V3) == (jump, last)
    assert find_path([small, jump, last, rest], current=V1, wanted=V3) == (jump, last)


def test_of_two_ways_equally_short_the_first_by_name_is_taken(shelf: Shelf) -> None:
    ways = [shelf.step(*one) for one in [("z", V1, V1_1), ("y", V1_1, V3), ("b", V1, V2), ("a", V2, V3)]]

    assert [one.id for one in find_path(ways, current=V1, wanted=V3)] == ["b", "a"]


def test_no_way_says_how_far_the_declared_ones_lead(shelf: Shelf) -> None:
    with pytest.raises(NoMigrationPath, match=r"No migrations lead from schema 1\.0 to 3\.0: those declared lead to 1\.1, 2\.0\."):
        find_path([shelf.step("a", V1, V1_1), shelf.step("b", V1_1, V2)], current=V1, wanted=V3)


def test_two_migrations_that_claim_one_step_are_refused_at_start(shelf: Shelf) -> None:
    declared = [shelf.step("a", V1, V2), shelf.step("b", V1, V2)]

    with pytest.raises(MigrationConflict, match=r"The migrations a and b of the domain shop both claim the step from 1\.0 to 2\.0"):
        Registry([Domain(name="shop", title="Shop", migrations=declared)])


def test_one_id_twice_is_refused_at_start(shelf: Shelf) -> None:
    with pytest.raises(MigrationConflict, match="declares the migration a twice"):
        check_migrations("shop", [shelf.step("a", V1, V2), shelf.step("a", V2, V3)])


# -- doing and undoing ------------------------------------------------------------------------------------------------------------------


async def test_all_steps_on_the_way_are_done_and_entered(work: Work, domain: str, shelf: Shelf) -> None:
    declared = [shelf.step("a", V1, V1_1), shelf.step("b", V1_1, V2)]

    done = await migrate_to(work, domain, declared, V2)

    journal = await read_journal(work.store, domain)
    assert [(one.migration.id, one.words) for one in done] == [("a", "Did a."), ("b", "Did b.")]
    assert (journal.version, journal.applied, journal.running) == (V2, ("a", "b"), None)
    assert [(entry.kind, entry.migration, entry.by) for entry in journal.entries] == [
        ("started", "a", "ada"),
        ("applied", "a", "ada"),
        ("started", "b", "ada"),
        ("applied", "b", "ada"),
    ]


async def test_rolling_back_undoes_what_was_applied_newest_first(work: Work, domain: str, shelf: Shelf) -> None:
    declared = [shelf.step("a", V1, V1_1), shelf.step("b", V1_1, V2), shelf.step("c", V1, V3)]
    await migrate_to(work, domain, declared, V2)

    await migrate_to(work, domain, declared, V1)

    journal = await read_journal(work.store, domain)
    assert shelf.done == ["a up", "b up", "b down", "a down"]
    assert (journal.version, journal.applied) == (V1, ())


async def test_journal_is_a_chain_like_any_other(work: Work, domain: str, shelf: Shelf) -> None:
    await migrate_to(work, domain, [shelf.step("a", V1, V2)], V2)

    verdict = await verify_aggregate(work.store.on(CONSOLE), ref_of(domain))

    assert (verdict.intact, verdict.checked) == (True, 2)


async def test_nothing_is_done_where_the_version_is_there(work: Work, domain: str, shelf: Shelf) -> None:
    assert await migrate_to(work, domain, [shelf.step("a", V1, V2)], V1) == []
    assert (await read_journal(work.store, domain)).head.version == 0


async def test_migration_that_is_applied_is_refused(work: Work, console: Store, domain: str, shelf: Shelf) -> None:
    one = shelf.step("a", V1, V2)
    await apply(work, domain, one)

    with pytest.raises(MigrationConflict, match="is applied already; roll it back first"):
        await apply(Work(store=console, run=new_id(), by="bob", definitions={}), domain, one)


async def test_run_that_is_taken_up_again_after_its_end_does_nothing_twice(work: Work, domain: str, shelf: Shelf) -> None:
    one = shelf.step("a", V1, V2)
    await apply(work, domain, one)

    again = await apply(work, domain, one)

    assert (again.words, shelf.done) == ("Did a.", ["a up"])


async def test_second_run_is_refused_while_one_is_running_and_free_after_it_was_abandoned(
    work: Work, console: Store, domain: str, shelf: Shelf
) -> None:
    async def break_off(work: Work) -> str:
        raise Unavailable("the server is away")

    cut = Migration(id="a", title="a", from_version=V1, to_version=V2, change=Steps(do=break_off))
    other = Work(store=console, run=new_id(), by="bob", definitions={})
    with pytest.raises(Unavailable):
        await apply(work, domain, cut)

    with pytest.raises(MigrationConflict, match=r"is running since .* started by ada"):
        await apply(other, domain, shelf.step("a", V1, V2))
    await abandon(work, domain, cut)
    await apply(other, domain, shelf.step("a", V1, V2))

    assert (await read_journal(console, domain)).version == V2


async def test_run_that_was_cut_off_goes_on(work: Work, domain: str) -> None:
    tries: list[str] = []

    async def break_off_once(work: Work) -> str:
        tries.append(work.run)
        if len(tries) == 1:
            raise Unavailable("the server is away")
        return "Did it."

    one = Migration(id="a", title="a", from_version=V1, to_version=V2, change=Steps(do=break_off_once))
    with pytest.raises(Unavailable):
        await apply(work, domain, one)
    await apply(work, domain, one)

    assert [entry.kind for entry in (await read_journal(work.store, domain)).entries] == ["started", "applied"]


async def test_failing_validation_stops_before_anything_is_entered(work: Work, domain: str, shelf: Shelf) -> None:
    async def find_fault(work: Work) -> tuple[str, ...]:
        return ("The shelf is full.",)

    async def do(work: Work) -> str:
        raise AssertionError("it was validated")

    one = Migration(id="a", title="a", from_version=V1, to_version=V2, change=Steps(do=do, check=find_fault))
    with pytest.raises(MigrationFailed, match=r"The migration a failed at validation: The shelf is full\. Nothing was changed\."):
        await apply(work, domain, one)

    assert (await read_journal(work.store, domain)).head.version == 0


async def test_failure_says_at_which_step_and_what_is_left(work: Work, domain: str, shelf: Shelf) -> None:
    async def fall_over(work: Work) -> str:
        raise ValueError("no such shelf")

    declared = [shelf.step("a", V1, V1_1), Migration(id="b", title="b", from_version=V1_1, to_version=V2, change=Steps(do=fall_over))]
    with pytest.raises(
        MigrationFailed, match=r"b failed at its way forward: ValueError: no such shelf\. The schema is still 1\.1\."
    ) as caught:
        await migrate_to(work, domain, declared, V2)

    journal = await read_journal(work.store, domain)
    assert (journal.version, journal.applied, journal.running) == (V1_1, ("a",), None)
    assert (journal.entries[-1].kind, journal.entries[-1].words) == ("failed", str(caught.value))


async def test_migration_without_a_way_back_is_not_rolled_back(work: Work, domain: str, shelf: Shelf) -> None:
    declared = [shelf.step("a", V1, V2, can_undo=False)]
    await migrate_to(work, domain, declared, V2)

    with pytest.raises(NoMigrationPath, match="a cannot be undone; it declares no way back"):
        await migrate_to(work, domain, declared, V1)


async def test_only_the_last_migration_is_rolled_back(work: Work, domain: str, shelf: Shelf) -> None:
    first, second = shelf.step("a", V1, V1_1), shelf.step("b", V1_1, V2)
    await migrate_to(work, domain, [first, second], V2)

    with pytest.raises(NoMigrationPath, match="b was applied last and comes first"):
        await roll_back(work, domain, first)


async def test_migration_that_starts_elsewhere_is_refused(work: Work, domain: str, shelf: Shelf) -> None:
    with pytest.raises(NoMigrationPath, match=r"from schema 1\.0 to 3\.0: b starts from 2\.0"):
        await apply(work, domain, shelf.step("b", V2, V3))


async def test_version_between_the_applied_ones_cannot_be_gone_back_to(work: Work, domain: str, shelf: Shelf) -> None:
    declared = [shelf.step("a", V1, V2)]
    await migrate_to(work, domain, declared, V2)

    with pytest.raises(NoMigrationPath, match="no applied migration started from there"):
        await migrate_to(work, domain, declared, V1_1)


async def test_applied_migration_that_is_no_longer_declared_is_named(work: Work, domain: str, shelf: Shelf) -> None:
    await migrate_to(work, domain, [shelf.step("a", V1, V2)], V2)

    with pytest.raises(NoMigrationPath, match="a was applied and is no longer declared"):
        await migrate_to(work, domain, [], V1)
