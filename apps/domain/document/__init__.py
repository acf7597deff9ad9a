"""This package is the document: its content by CID, what it is, whose it is, and what it has to do with others."""

from .aggregate import DOCUMENT
from .status import DOCUMENT_MACHINE, DocumentStatus

__all__ = ["DOCUMENT", "DOCUMENT_MACHINE", "DocumentStatus"]
