"""This module is the life of a document as a table.

The original had two vocabularies that did not match: a machine from draft to archived, and a status that also knew documents that were
superseded or marked for deletion. This is the machine as it was, with those two beside it.
"""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class DocumentStatus(StrEnum):
    """Where a document stands."""

    DRAFT = "draft"
    UNDER_REVIEW = "under_review"
    APPROVED = "approved"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"
    MARKED_FOR_DELETION = "marked_for_deletion"


_S = DocumentStatus

DOCUMENT_MACHINE = StateMachine(
    what="document",
    transitions={
        _S.DRAFT: frozenset({_S.UNDER_REVIEW, _S.MARKED_FOR_DELETION}),
        _S.UNDER_REVIEW: frozenset({_S.DRAFT, _S.APPROVED}),
        _S.APPROVED: frozenset({_S.PUBLISHED, _S.UNDER_REVIEW}),
        _S.PUBLISHED: frozenset({_S.ARCHIVED, _S.SUPERSEDED}),
        _S.SUPERSEDED: frozenset({_S.ARCHIVED}),
        _S.ARCHIVED: frozenset(),
        _S.MARKED_FOR_DELETION: frozenset(),
    },
)
