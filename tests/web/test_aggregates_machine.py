"""This module is the tests of what the domain's declarations become on pages: a form for each command, a drawing for each machine."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from apps.aggregates.drawing import Marked, draw
from apps.domain import DOMAIN
from apps.domain.cqrs import CommandSet
from apps.persistence.store import ensure_home
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor
from .working_console import page

SETS = [one for one in DOMAIN.commands.values() if isinstance(one, CommandSet)]


@pytest.fixture(scope="module")
def streams(home_server: EmbeddedServer) -> None:
    """The home streams, with nothing in them."""
    Home(home_server).run(lambda store: ensure_home(store.connection))


@pytest.mark.usefixtures("streams", "home")
@pytest.mark.parametrize("commands", SETS, ids=lambda one: one.definition.type)
def test_the_longest_form_of_every_aggregate_names_each_of_its_fields(operator: Visitor, commands: CommandSet) -> None:
    (context, type), longest = commands.definition.key, max(commands.commands, key=lambda one: len(str(one.shape)))

    text = page(operator, f"/aggregates/{context}.{type}/x-1/commands/{longest.name}/")

    form = text[text.index('<form class="card form command-form"') : text.index("</form>", text.index("command-form"))]
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', form))
    assert labelled >= set(re.findall(r'<(?:input|select|textarea) [^>]*id="([^"]+)"', form))
    assert labelled


MACHINES = [one for one in SETS if one.states is not None]


@pytest.mark.parametrize("commands", MACHINES, ids=lambda one: one.definition.type)
def test_every_machine_is_drawn_with_all_its_states_and_moves_and_no_words_on_a_box(commands: CommandSet) -> None:
    assert commands.states is not None
    drawn = draw(commands, Marked(status=str(commands.states.initial)))

    assert drawn is not None
    assert [box.name for box in drawn.boxes] == [str(state) for state in commands.states.transitions]
    assert len(drawn.arrows) == sum(len(following) for following in commands.states.transitions.values())
    assert [box.kind for box in drawn.boxes].count("current") == 1
    frames = [box.frame for box in drawn.boxes]
    labels = [label for arrow in drawn.arrows for label in arrow.labels]
    assert [one for one in labels for frame in frames if frame.x < one.x < frame.right and frame.y < one.y < frame.bottom] == []


def drawn_as(type: str, status: str, command: str) -> dict[str, Any]:
    """What is drawn of such an aggregate with this one command legal: the address that each marked box leads to."""
    commands = next(one for one in SETS if one.definition.type == type)
    drawn = draw(commands, Marked(status=status, links={command: "/form/"}))
    assert drawn is not None
    return {box.name: box.address for box in drawn.boxes if box.kind == "next"}


def test_a_command_that_says_the_state_itself_makes_each_move_with_that_state_chosen() -> None:
    assert drawn_as("document", "under_review", "set_status") == {
        "draft": "/form/?new_status=draft",
        "approved": "/form/?new_status=approved",
    }
    assert set(drawn_as("organization", "pending", "change_status")) == {"active", "archived"}


def test_a_command_that_leads_on_in_some_cases_is_drawn_at_that_move() -> None:
    assert drawn_as("workflow", "active", "execute_transition") == {"completed": "/form/"}


@pytest.mark.parametrize("commands", MACHINES, ids=lambda one: one.definition.type)
def test_no_move_is_without_the_command_that_makes_it_and_no_title_wider_than_its_box(commands: CommandSet) -> None:
    drawn = draw(commands, Marked())

    assert drawn is not None
    assert [arrow.path for arrow in drawn.arrows if not arrow.labels] == []
    assert [box.title for box in drawn.boxes if len(box.title) * 8.8 > box.frame.width] == []
    assert max(box.frame.right for box in drawn.boxes) < drawn.width


@pytest.mark.parametrize("commands", MACHINES, ids=lambda one: one.definition.type)
def test_no_label_covers_another(commands: CommandSet) -> None:
    drawn = draw(commands, Marked())

    assert drawn is not None
    labels = [label for arrow in drawn.arrows for label in arrow.labels]
    near = [
        (one, other)
        for one, other in combinations(labels, 2)
        if abs(one.y - other.y) < 14 and abs(one.x - other.x) < (len(one.title) + len(other.title)) * 3.3
    ]
    assert near == []
