"""This module is the document as its events make it, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from apps.persistence.encoding import Cid
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import Event, State

from ..declared.changes import items, keeps
from ..declared.ids import DocumentId
from ..declared.kinds import AggregateKind, Asked, CommandKind, EventKind, Happened
from ..stored import number
from .commands import (
    AddDocumentRelationship,
    ArchiveDocument,
    AssignDocumentOwnership,
    ClassifyDocument,
    CreateDocumentVersion,
    DocumentStatusSet,
    DocumentVersionCreated,
    ProcessDocument,
    RemoveDocumentRelationship,
    SetDocumentAccessControl,
    SetDocumentStatus,
    UploadDocument,
)
from .status import DOCUMENT_MACHINE, DocumentStatus


def _uploaded(state: State, event: Event) -> State:
    kept = keeps("info", "content_cid", "is_chunked", "chunk_cids", "uploaded_by")(state, event)
    return {**kept, "version_number": 1, "previous_version_cid": None}


def _related(state: State, event: Event) -> State:
    relation: State = {name: event.payload.get(name) for name in ("related_document_id", "relation_type", "description")}
    return {**state, "relationships": [*items(state, "relationships"), relation]}


def _unrelated(state: State, event: Event) -> State:
    gone = event.payload["related_document_id"]
    return {**state, "relationships": [one for one in relations_of(state) if one["related_document_id"] != gone]}


def _version_created(state: State, event: Event) -> State:
    said = event.payload
    return {
        **state,
        "content_cid": said["new_content_cid"],
        "is_chunked": False,
        "chunk_cids": [],
        "version_number": said["version_number"],
        "previous_version_cid": said["previous_version_cid"],
        "version_id": said["new_version_id"],
    }


def relations_of(state: State) -> list[State]:
    """What the document has to do with others."""
    return cast("list[State]", items(state, "relationships"))


UPLOADED = EventKind(name="DocumentUploaded", payload=UploadDocument, at="uploaded_at", change=_uploaded, becomes=DocumentStatus.DRAFT)
CLASSIFIED = EventKind(name="DocumentClassified", payload=ClassifyDocument, at="classified_at", change=keeps("classification"))
OWNED = EventKind(name="DocumentOwnershipAssigned", payload=AssignDocumentOwnership, at="assigned_at", change=keeps("ownership"))
ACCESS_SET = EventKind(name="DocumentAccessControlSet", payload=SetDocumentAccessControl, at="set_at", change=keeps("access_control"))
STATUS_SET = EventKind(name="DocumentStatusSet", payload=DocumentStatusSet, at="set_at", leads_by="new_status")
PROCESSED = EventKind(name="DocumentProcessed", payload=ProcessDocument, at="processed_at", change=keeps("processing"))
RELATIONSHIP_ADDED = EventKind(name="DocumentRelationshipAdded", payload=AddDocumentRelationship, at="added_at", change=_related)
RELATIONSHIP_REMOVED = EventKind(name="DocumentRelationshipRemoved", payload=RemoveDocumentRelationship, at="removed_at", change=_unrelated)
VERSION_CREATED = EventKind(name="DocumentVersionCreated", payload=DocumentVersionCreated, at="created_at", change=_version_created)
ARCHIVED = EventKind(name="DocumentArchived", payload=ArchiveDocument, at="archived_at", becomes=DocumentStatus.ARCHIVED)


def set_status(state: State, command: SetDocumentStatus, asked: Asked) -> Sequence[Happened[Any]]:
    """Whether it may go there is said by the machine."""
    before = DocumentStatus(str(state["status"]))
    moved = DocumentStatusSet(old_status=before, new_status=command.new_status, set_by=command.set_by, reason=command.reason)
    return [STATUS_SET.of(moved)]


def add_relationship(state: State, command: AddDocumentRelationship, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput for itself, InvalidState for a document that it is related to."""
    other = command.related_document_id.text
    if other == asked.id:
        raise InvalidInput(f"The document {asked.id} cannot be related to itself; give another related_document_id.")
    if any(one["related_document_id"] == other for one in relations_of(state)):
        raise InvalidState(f"The document is related to {other} already; remove that relationship first.")
    return [RELATIONSHIP_ADDED.of(command)]


def remove_relationship(state: State, command: RemoveDocumentRelationship, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for a document that it is not related to."""
    if all(one["related_document_id"] != command.related_document_id.text for one in relations_of(state)):
        raise InvalidState(f"The document is not related to {command.related_document_id}; there is nothing to remove.")
    return [RELATIONSHIP_REMOVED.of(command)]


def create_version(state: State, command: CreateDocumentVersion, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState unless its number is the next one, and where the content is the same."""
    expected, before = number(state, "version_number") + 1, cast(Cid, state["content_cid"])
    if command.version_number != expected:
        raise InvalidState(f"The document is at version {expected - 1:,}; the next is {expected:,}, not {command.version_number:,}.")
    if command.new_content_cid == before:
        raise InvalidState(f"The content {before} is the one that the document has; a new version needs another.")
    created = DocumentVersionCreated(
        new_version_id=command.new_version_id,
        version_number=command.version_number,
        previous_version_cid=before,
        new_content_cid=command.new_content_cid,
        created_by=command.created_by,
    )
    return [VERSION_CREATED.of(created)]


DOCUMENT = AggregateKind(
    id=DocumentId,
    title="Document",
    machine=DOCUMENT_MACHINE,
    label=("info", "title"),
    empty={"classification": None, "ownership": None, "access_control": None, "processing": None, "relationships": []},
    events=(
        UPLOADED, CLASSIFIED, OWNED, ACCESS_SET, STATUS_SET, PROCESSED, RELATIONSHIP_ADDED, RELATIONSHIP_REMOVED, VERSION_CREATED, ARCHIVED,
    ),
    commands=(
        CommandKind(payload=UploadDocument, causes=UPLOADED, begins=True),
        CommandKind(payload=ClassifyDocument, causes=CLASSIFIED),
        CommandKind(payload=AssignDocumentOwnership, causes=OWNED),
        CommandKind(payload=SetDocumentAccessControl, causes=ACCESS_SET),
        CommandKind(payload=SetDocumentStatus, decide=set_status),
        CommandKind(payload=ProcessDocument, causes=PROCESSED),
        CommandKind(payload=AddDocumentRelationship, decide=add_relationship),
        CommandKind(payload=RemoveDocumentRelationship, decide=remove_relationship),
        CommandKind(payload=CreateDocumentVersion, decide=create_version),
        CommandKind(payload=ArchiveDocument, causes=ARCHIVED),
    ),
)  # fmt: skip
