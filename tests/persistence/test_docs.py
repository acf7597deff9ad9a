"""What the pages of documentation show runs, and does what they say; what they name is there, and what is there they name."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

from apps.persistence import errors
from apps.persistence.chain import Cause
from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateRef, Scope, new_id
from apps.persistence.events.block import _FIELDS as BLOCK_FIELDS
from apps.persistence.operations import OPERATIONS
from apps.persistence.projections import Orders, run_projection
from apps.persistence.registry import Command, Domain, Registry
from apps.persistence.snapshots import state_at
from apps.persistence.store import AGGREGATES_STREAM, COMMANDS_STREAM, CONSOLE, EVENTS, ensure_home, get_stream, kv_get, open_store
from apps.persistence.store.embedded import (
    SIGNER_MAY_PUBLISH,
    SIGNER_MAY_SUBSCRIBE,
    WEB_INBOX,
    WEB_MAY_PUBLISH,
    WEB_MAY_SUBSCRIBE,
    EmbeddedServer,
)
from apps.persistence.work.parameters import parameters_of
from cimadmin import up_options

from . import pages
from .pages import PAGES, ROOT
from .typed_in import python_blocks, type_in

ARCHITECTURE, OPERATING, CONTRIBUTING = "docs/architecture.md", "docs/operating.md", "CONTRIBUTING.md"


# -- what the pages show runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["docs/how-to.md", "docs/persistence.md", "docs/tutorial.md", "docs/which-repository.md"])
async def test_every_block_of_the_page_runs_and_answers_as_promised(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in pages.files(page):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    exchanges = await type_in(python_blocks(pages.read(page)))

    assert [(one.statement, one.given) for one in exchanges if one.given != one.promised] == []


def test_glossary_is_in_order_and_has_each_word_once() -> None:
    words = [row[0] for row in pages.rows(pages.read("docs/glossary.md"))]

    assert words == sorted(set(words), key=str.casefold)


async def test_answer_other_than_the_promised_one_is_noticed() -> None:
    (exchange,) = await type_in(["1 + 1   # -> 3\n"])

    assert (exchange.given, exchange.promised) == (["2"], ["3"])


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Domain:
    """The domain that CONTRIBUTING.md gives in full."""
    (text,) = [block for block in pages.blocks(CONTRIBUTING, "python") if "DOMAIN = Domain(" in block]
    module = types.ModuleType("acme.domain")
    monkeypatch.setitem(sys.modules, "acme.domain", module)
    exec(compile(text, CONTRIBUTING, "exec"), module.__dict__)
    domain: Domain = module.DOMAIN
    return domain


def lend_to(reader: str) -> Command:
    book = AggregateRef("library", "book", "moby-dick")
    return Command(id=new_id(), aggregate=book, name="lend", payload={"reader": reader}, actor="desk", correlation=new_id())


async def test_domain_in_the_contributing_page_works_as_it_stands(acme: Domain, own_nats_server: EmbeddedServer) -> None:
    registry = Registry([acme])
    book, readers = registry.aggregates["library", "book"], registry.projections["readers"]
    lend = lend_to("Ada")

    async with open_store(own_nats_server.settings("worker"), upcasters=registry.upcasters) as store:
        await ensure_home(store.connection)
        await registry.commands[book.key](store, lend)
        with pytest.raises(InvalidState, match="The book is with Ada"):
            await registry.commands[book.key](store, lend_to("Bob"))
        state = await state_at(store, book, lend.aggregate)
        await run_projection(store, readers, 1, Orders(until=(await get_stream(store.connection, EVENTS.stream)).last_sequence))
        model = await kv_get(store.connection, "cim-readers-1", "reader.Ada")

    assert state.state == {"reader": "Ada"}
    assert model is not None
    assert decode(model.value)["model"] == {"loans": 1}  # type: ignore[index,call-overload]


def test_aggregate_test_in_the_contributing_page_passes(acme: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block for block in pages.blocks(CONTRIBUTING, "python") if "cqrs.testing" in block]
    monkeypatch.setitem(sys.modules, "acme", types.ModuleType("acme"))
    scenario = types.ModuleType("test_book")
    exec(compile(text, CONTRIBUTING, "exec"), scenario.__dict__)

    scenario.test_book_is_lent_to_one_reader_at_a_time()


def test_operation_in_the_contributing_page_declares_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block for block in pages.blocks(CONTRIBUTING, "python") if "class ForgetMark" in block]
    module = types.ModuleType("apps.persistence.operations.forget_mark")
    module.__package__ = "apps.persistence.operations"
    monkeypatch.setitem(sys.modules, module.__name__, module)

    exec(compile(text, CONTRIBUTING, "exec"), module.__dict__)

    assert [(one.name, one.kind) for one in parameters_of(module.ForgetMark)] == [("stream", "text")]


# -- commands and options ---------------------------------------------------------------------------------------------------------------


def commands_of(*programs: str) -> list[list[str]]:
    """What follows one of these programs, in every command of every page."""
    found = [command for page in PAGES for command in pages.commands(page)]
    return [command[place + 1 :] for command in found for place, word in enumerate(command) if word in programs]


@pytest.mark.parametrize("words", commands_of("run.py"), ids=" ".join)
def test_run_py_takes_the_command(words: list[str]) -> None:
    spec = importlib.util.spec_from_file_location("run_py", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run_py = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run_py)

    arguments, rest = run_py.parse(words)

    if arguments.command == "up" and "--help" not in rest:
        up_options.parse(rest, default_data=ROOT)


@pytest.mark.parametrize("words", commands_of("manage.py"), ids=" ".join)
def test_manage_py_has_the_command(words: list[str]) -> None:
    own = [path for path in (ROOT / "apps").glob(f"*/management/commands/{words[0]}.py")]

    assert own or importlib.util.find_spec(f"django.core.management.commands.{words[0]}")


@pytest.mark.parametrize("words", [words for words in commands_of("manage.py") if words[0] == "start" and words[1:]], ids=" ".join)
def test_start_takes_the_options(words: list[str]) -> None:
    start = importlib.import_module("apps.runs.management.commands.start").Command()

    start.create_parser("manage.py", "start").parse_args(words[1:])


def test_operating_page_lists_every_option_of_up() -> None:
    listed = [name for row in pages.rows(pages.section(OPERATING, "On one machine")) for name in pages.names_in(row[0])]

    declared = re.findall(r'"(--[a-z-]+)"', (ROOT / "cimadmin" / "up_options.py").read_text())
    assert sorted(listed) == sorted(set(declared))


def test_every_option_in_the_text_is_one_of_ours_or_of_a_tool() -> None:
    programs = ("run.py", "cimadmin/up_options.py", "apps/persistence/transfer/evidence_verifier.py")
    declared = set(re.findall(r'"(--[a-z-]+)"', "".join((ROOT / name).read_text() for name in programs)))
    named = {span for page in PAGES for span in pages.spans(page) if span.startswith("--")}

    assert named - declared - {"--", "--data DIR", "--upgrade-package <name>"} == set()


# -- files, packages, variables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_folder_that_the_page_names_is_there(page: str) -> None:
    assert [path for path in sorted(pages.paths(page)) if not pages.is_there(path)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    def leads_somewhere(target: str) -> bool:
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE) if anchor else []
        return file.exists() and (not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings])

    assert [target for target in pages.links(page) if not leads_somewhere(target)] == []


def test_tree_in_the_readme_is_the_tree() -> None:
    (tree,) = pages.blocks("README.md", "")

    assert [path for path in pages.paths_in_tree(tree) if not pages.is_there(path)] == []


def packages_in(folder: str) -> set[str]:
    return {f"{folder}/{path.parent.name}/" for path in (ROOT / folder).glob("*/__init__.py")}


def modules_in(folder: str) -> set[str]:
    return {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"}


def test_map_names_exactly_the_packages_and_modules_that_there_are() -> None:
    named = {name for row in pages.rows(pages.section(ARCHITECTURE, "Map")) for name in pages.names_in(row[0]) if name.startswith("apps/")}

    there = packages_in("apps") | packages_in("apps/persistence") | modules_in("apps") | modules_in("apps/persistence")
    assert named == there | {"apps/persistence/projections/builtin/"}


def variables_of_settings() -> set[str]:
    """What cimadmin/settings.py reads: plain variables, a secret's file too, and each part of the home connection."""
    text = (ROOT / "cimadmin" / "settings.py").read_text()
    found = re.findall(r'environment\.(\w+)\(\s*"(CIM_\w+)"', text)
    variables = (ROOT / "cimadmin" / "environment.py").read_text().partition("variables = {")[2].partition("}")[0]
    parts = re.findall(r'"\w+": "([A-Z_]+)"', variables)
    home = {f"{name}_{part}" for kind, name in found if kind == "connection" for part in parts}
    return {name for kind, name in found if kind != "connection"} | {f"{name}_FILE" for kind, name in found if kind == "secret"} | home


def test_settings_table_has_exactly_the_variables_that_settings_read() -> None:
    table = pages.rows(pages.section(OPERATING, "Settings"))

    assert {name for row in table for name in pages.names_in(row[0])} == variables_of_settings()


def test_every_variable_in_the_pages_is_read_somewhere() -> None:
    code = "\n".join((ROOT / name).read_text() for name in pages.tracked() if name.endswith((".py", ".yml")) and "test_docs" not in name)
    named = {name for page in PAGES for name in re.findall(r"\bCIM_[A-Z_]+[A-Z]\b", pages.read(page))} - variables_of_settings()

    assert [name for name in sorted(named) if name not in code] == []


# -- formats and rights ------------------------------------------------------------------------------------------------------------------


def first_names(heading: str) -> list[str]:
    """The first thing that each row of a section's tables names."""
    return [pages.names_in(row[0])[0] for row in pages.rows(pages.section(ARCHITECTURE, heading)) if pages.names_in(row[0])]


def test_block_is_described_field_by_field() -> None:
    assert set(first_names("The event block")) == BLOCK_FIELDS


def test_every_scope_is_named() -> None:
    (scope,) = [row for row in pages.rows(pages.section(ARCHITECTURE, "The event block")) if row[0] == "`scope`"]

    assert set(pages.names_in(scope[2])) == {scope.value for scope in Scope}


def test_every_stream_of_the_console_is_described() -> None:
    assert {EVENTS.stream, CONSOLE.stream, AGGREGATES_STREAM, COMMANDS_STREAM} <= set(first_names("Subjects and streams"))


def test_buckets_are_exactly_those_of_the_code() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "apps").rglob("*.py"))

    assert set(first_names("Buckets")) == set(re.findall(r'_BUCKET = "(cim-[a-z-]+)"', code)) | {"cim-{name}-{build}"}


def test_every_cause_of_a_finding_is_described() -> None:
    assert set(first_names("Verification")) == {cause.value for cause in Cause}


def test_every_operation_is_listed() -> None:
    assert set(first_names("Runs")) == set(OPERATIONS)


def test_tree_of_errors_is_the_tree_of_the_code() -> None:
    drawn = re.findall(r"[A-Z][A-Za-z]+", pages.section(ARCHITECTURE, "Errors").split("```")[1])

    there = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.PersistenceError)]
    assert sorted(drawn) == sorted(there)


def test_rights_of_limited_users_are_those_of_the_embedded_server() -> None:
    publish, subscribe = pages.rows(pages.section(OPERATING, "What the NATS users may do"))[:2]
    signer = pages.rows(pages.section(OPERATING, "What the NATS users may do"))[-2:]

    assert pages.names_in(publish[1]) == list(WEB_MAY_PUBLISH)
    assert pages.names_in(subscribe[1]) == list(WEB_MAY_SUBSCRIBE)
    assert [pages.names_in(row[1]) for row in signer] == [list(SIGNER_MAY_PUBLISH), list(SIGNER_MAY_SUBSCRIBE)]
    assert f"`CIM_NATS_INBOX_PREFIX={WEB_INBOX}`" in pages.read(OPERATING)


def test_changelog_tells_of_the_version_that_there_is() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)

    assert version is not None
    assert f"\n## [{version[1]}]" in pages.read("CHANGELOG.md")
