"""This package is transfer: events of a stream to files and from files to streams, as JSON Lines or CAR, and whole streams as backups."""

from .archive_file import Archive, ArchiveManifest, Tally, archive_preamble, heads_in_blocks, read_archive
from .backup_file import BackupManifest, BackupReader, BackupWriter, open_backup_file
from .bringing import Brought, append_events, check_events
from .exporting import Format, Place, Shape, write_events
from .files import (
    ARCHIVE_SUFFIX,
    BACKUP_SUFFIX,
    FILES_BUCKET,
    UPLOADS_BUCKET,
    UPLOADS_KEPT_SECONDS,
    File,
    FileKind,
    Made,
    delete_file,
    ensure_files,
    find_file,
    free_name,
    get_file,
    list_files,
    new_nuid,
    open_file,
)
from .incoming import read_batches
from .reading import ByteReader
from .selection import Selection, estimate, select
from .target import Target, find_stream, find_target

__all__ = [
    "ARCHIVE_SUFFIX",
    "BACKUP_SUFFIX",
    "FILES_BUCKET",
    "UPLOADS_BUCKET",
    "UPLOADS_KEPT_SECONDS",
    "Archive",
    "ArchiveManifest",
    "BackupManifest",
    "BackupReader",
    "BackupWriter",
    "Brought",
    "ByteReader",
    "File",
    "FileKind",
    "Format",
    "Made",
    "Place",
    "Selection",
    "Shape",
    "Tally",
    "Target",
    "append_events",
    "archive_preamble",
    "check_events",
    "delete_file",
    "ensure_files",
    "estimate",
    "find_file",
    "find_stream",
    "find_target",
    "free_name",
    "get_file",
    "heads_in_blocks",
    "list_files",
    "new_nuid",
    "open_backup_file",
    "open_file",
    "read_archive",
    "read_batches",
    "select",
    "write_events",
]
