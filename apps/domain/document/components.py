"""This module is the components of a document: what it is, where its content lies, whose it is, who may read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.persistence.encoding import Cid
from apps.persistence.errors import InvalidInput

from ..declared.ids import PersonId
from ..declared.records import Record
from ..values import MimeType, Prose, Text


class Confidentiality(StrEnum):
    """Who may know of it."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    HIGHLY_CONFIDENTIAL = "highly_confidential"
    RESTRICTED = "restricted"


class RelationType(StrEnum):
    """What a document has to do with another."""

    SUPERSEDES = "supersedes"
    SUPERSEDED_BY = "superseded_by"
    REFERENCES = "references"
    REFERENCED_BY = "referenced_by"
    ATTACHMENT_OF = "attachment_of"
    HAS_ATTACHMENT = "has_attachment"
    TRANSLATION_OF = "translation_of"
    HAS_TRANSLATION = "has_translation"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo(Record):
    """How it is called, and what kind of a file it is."""

    title: Text
    description: Prose | None = None
    mime_type: MimeType
    filename: Text | None = None
    size_bytes: int
    language: Text | None = None

    def check(self) -> None:
        if self.size_bytes < 0:
            raise InvalidInput(f"size_bytes is {self.size_bytes:,}; a document has 0 bytes or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification(Record):
    """What it is, and who may know of it."""

    document_type: Text
    category: Text
    subcategories: tuple[Text, ...] = ()
    tags: tuple[Text, ...] = ()
    confidentiality: Confidentiality


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership(Record):
    """Whose it is."""

    owner_id: PersonId
    authors: tuple[PersonId, ...] = ()
    department: Text | None = None
    project_id: Text | None = None
    copyright: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessControl(Record):
    """Who may do what with it."""

    read_access: tuple[PersonId, ...] = ()
    write_access: tuple[PersonId, ...] = ()
    share_access: tuple[PersonId, ...] = ()
    audit_access: bool = False
    encryption_key_id: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail(Record):
    """A small picture of it."""

    size: Text
    width: int
    height: int
    cid: Cid


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing(Record):
    """What programs have made of it."""

    text_extracted: bool
    extracted_text_cid: Cid | None = None
    ocr_performed: bool = False
    thumbnails_generated: bool = False
    thumbnail_cids: tuple[Thumbnail, ...] = ()
    indexed: bool = False
    processing_errors: tuple[Text, ...] = ()
