"""This package is the operations: everything an operator can start. Each is one file and one line in OPERATIONS."""

from ..work.operation import Operations
from .buckets import ChangeBucket, CreateBucket
from .change_stream import ChangeStream
from .create_stream import CreateStream
from .delete_file import DeleteFile
from .delete_message import DeleteMessage
from .end_of_stream import DeleteStream, Seal
from .export import Export
from .import_events import ImportEvents
from .projection_control import Pause, Resume
from .purge import Purge
from .purge_key import PurgeKey
from .replay import Replay
from .skip import Skip
from .snapshot import TakeSnapshot
from .verify import Verify

OPERATIONS: Operations = {
    "replay": Replay,
    "verify": Verify,
    "pause": Pause,
    "resume": Resume,
    "skip": Skip,
    "snapshot": TakeSnapshot,
    "create-stream": CreateStream,
    "change-stream": ChangeStream,
    "purge": Purge,
    "delete-message": DeleteMessage,
    "seal": Seal,
    "delete-stream": DeleteStream,
    "create-bucket": CreateBucket,
    "change-bucket": ChangeBucket,
    "purge-key": PurgeKey,
    "export": Export,
    "import": ImportEvents,
    "delete-file": DeleteFile,
}

__all__ = [
    "OPERATIONS",
    "ChangeBucket",
    "ChangeStream",
    "CreateBucket",
    "CreateStream",
    "DeleteFile",
    "DeleteMessage",
    "DeleteStream",
    "Export",
    "ImportEvents",
    "Pause",
    "Purge",
    "PurgeKey",
    "Replay",
    "Resume",
    "Seal",
    "Skip",
    "TakeSnapshot",
    "Verify",
]
