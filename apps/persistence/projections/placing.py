"""This module is where a projection reads when its stream has more than one generation: the same subjects, in the one that serves."""

from __future__ import annotations

from dataclasses import replace

from ..store import Connection, Layout, known_generations, stream_name
from .definition import ProjectionDefinition


def placed(connection: Connection, definition: ProjectionDefinition) -> ProjectionDefinition:
    """The definition on the generation of its stream that serves now."""
    return at_generation(connection, definition, known_generations(connection, definition.stream).serving)


def at_generation(connection: Connection, definition: ProjectionDefinition, number: int) -> ProjectionDefinition:
    """The definition on one certain generation. One that was placed before stays where it is."""
    if number == 1 or definition.generation != 1:
        return definition
    root = known_generations(connection, definition.stream).root
    target = definition.target
    return replace(
        definition,
        stream=stream_name(definition.stream, number),
        subjects=tuple(_moved(subject, root, number) for subject in definition.subjects),
        generation=number,
        target=replace(target, prefix=target_prefix(target.prefix, number)) if target else None,
    )


def on_layout(definition: ProjectionDefinition, declared: Layout, layout: Layout) -> ProjectionDefinition:
    """The definition, as declared over the stream of `declared`, on another stream with the same kind of events."""
    subjects = tuple(
        f"{layout.root}{subject[len(declared.root) :]}" if subject.startswith(f"{declared.root}.") else subject
        for subject in definition.subjects
    )
    return replace(definition, stream=layout.stream, subjects=subjects, generation=layout.generation)


def target_prefix(prefix: str, number: int) -> str:
    """Where the messages of a projection with a stream of its own lie: apart for each generation, as versions begin anew."""
    return prefix if number == 1 else f"{prefix}.g{number}"


def _moved(subject: str, root: str, number: int) -> str:
    return f"{root}{number}{subject[len(root) :]}" if subject.startswith(f"{root}.") else subject
