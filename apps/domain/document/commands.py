"""This module is what can be asked of a document, and the records that its events hold."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.encoding import Cid
from apps.persistence.errors import InvalidInput

from ..declared.ids import DocumentId, PersonId
from ..declared.records import Record
from ..values import Text
from .components import AccessControl, Classification, DocumentInfo, Ownership, Processing, RelationType
from .status import DocumentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDocument(Record):
    """A document comes to be; its content lies in the content store under its CID."""

    info: DocumentInfo
    content_cid: Cid
    is_chunked: bool
    chunk_cids: tuple[Cid, ...] = ()
    uploaded_by: PersonId

    def check(self) -> None:
        if self.is_chunked != bool(self.chunk_cids):
            raise InvalidInput(
                f"is_chunked is {self.is_chunked} with {len(self.chunk_cids)} chunk_cids; a chunked document names its chunks."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyDocument(Record):
    """Say what it is."""

    classification: Classification
    classified_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignDocumentOwnership(Record):
    """Say whose it is."""

    ownership: Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDocumentAccessControl(Record):
    """Say who may do what with it."""

    access_control: AccessControl
    set_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDocumentStatus(Record):
    """Lead it on: to review, back, to approval, into the open, to its end."""

    new_status: DocumentStatus
    set_by: PersonId
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStatusSet(Record):
    """From where to where it went."""

    old_status: DocumentStatus
    new_status: DocumentStatus
    set_by: PersonId
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessDocument(Record):
    """Note what programs have made of it."""

    processing: Processing


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDocumentRelationship(Record):
    """It has to do with another document."""

    related_document_id: DocumentId
    relation_type: RelationType
    description: Text | None = None
    added_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDocumentRelationship(Record):
    """It has nothing to do with that document any more."""

    related_document_id: DocumentId
    removed_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDocumentVersion(Record):
    """It has a new content; the one before stays under its CID."""

    new_version_id: Text
    version_number: int
    new_content_cid: Cid
    created_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentVersionCreated(Record):
    """Which content came, and which was before."""

    new_version_id: Text
    version_number: int
    previous_version_cid: Cid
    new_content_cid: Cid
    created_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDocument(Record):
    """Nothing of it will change any more."""

    archived_by: PersonId
    reason: Text | None = None
