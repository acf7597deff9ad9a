"""This package is the operations: everything an operator can start. Each is one file and one line in GROUPS."""

from collections.abc import Mapping

from ..work.operation import Operations
from .accept_drift import AcceptDrift
from .archive import Archive
from .backup import Backup
from .buckets import ChangeBucket, CreateBucket
from .change_stream import ChangeStream
from .check_log import CheckLog
from .compare import Compare
from .compare_replicas import CompareReplicas
from .create_consumer import CreateConsumer
from .create_stream import CreateStream
from .delete_consumer import DeleteConsumer
from .delete_file import DeleteFile
from .delete_message import DeleteMessage
from .destroy_keys import DestroyKeys
from .dismiss_parked import DismissParked
from .drop import Drop
from .end_of_stream import DeleteStream, Seal
from .evidence import TakeEvidence
from .export import Export
from .import_events import ImportEvents
from .migrate import Migrate
from .park import Park
from .pause_consumer import PauseConsumer, ResumeConsumer
from .projection_control import Pause, Resume, Retry
from .prove import ProveSnapshots
from .purge import Purge
from .purge_key import PurgeKey
from .rebuild import Rebuild
from .record_heads import RecordHeads
from .release import Release
from .replay import Replay
from .replay_parked import ReplayParked
from .reset_consumer import ResetConsumer
from .restore import Restore
from .restore_archive import RestoreArchive
from .roll_back_archive import RollBackArchive
from .rotate_keys import RotateKeys
from .schedule import DEFAULT_SCHEDULES, SCHEDULABLE, RemoveSchedule, SetSchedule, scheduled_operation
from .skip import Skip
from .skip_routed import SkipRouted
from .snapshot import TakeSnapshot
from .snapshot_removal import DropSnapshots, PruneSnapshots
from .start_models import StartModels
from .switch import Switch
from .switch_flag import SwitchFlag
from .verify import Verify
from .views import CreateView, DropView

GROUPS: Mapping[str, Operations] = {
    "Projections": {
        "replay": Replay,
        "rebuild": Rebuild,
        "compare": Compare,
        "switch": Switch,
        "drop": Drop,
        "pause": Pause,
        "resume": Resume,
        "retry": Retry,
        "skip": Skip,
        "park": Park,
        "replay-parked": ReplayParked,
        "dismiss-parked": DismissParked,
        "start-models": StartModels,
    },
    "Routes": {"skip-routed": SkipRouted},
    "Verification": {
        "verify": Verify,
        "check-log": CheckLog,
        "record-heads": RecordHeads,
        "evidence": TakeEvidence,
        "compare-replicas": CompareReplicas,
        "accept-drift": AcceptDrift,
        "set-schedule": SetSchedule,
        "remove-schedule": RemoveSchedule,
    },
    "Snapshots": {
        "snapshot": TakeSnapshot,
        "prove-snapshots": ProveSnapshots,
        "prune-snapshots": PruneSnapshots,
        "drop-snapshots": DropSnapshots,
    },
    "Keys": {
        "rotate-keys": RotateKeys,
        "destroy-keys": DestroyKeys,
    },
    "Files": {
        "export": Export,
        "import": ImportEvents,
        "backup": Backup,
        "restore": Restore,
        "archive": Archive,
        "restore-archive": RestoreArchive,
        "roll-back-archive": RollBackArchive,
        "delete-file": DeleteFile,
    },
    "Nodes": {
        "release": Release,
    },
    "Migrations": {
        "migrate": Migrate,
        "switch-flag": SwitchFlag,
    },
    "Streams": {
        "create-stream": CreateStream,
        "change-stream": ChangeStream,
        "purge": Purge,
        "delete-message": DeleteMessage,
        "seal": Seal,
        "delete-stream": DeleteStream,
    },
    "Consumers": {
        "create-consumer": CreateConsumer,
        "reset-consumer": ResetConsumer,
        "pause-consumer": PauseConsumer,
        "resume-consumer": ResumeConsumer,
        "delete-consumer": DeleteConsumer,
    },
    "Buckets": {
        "create-bucket": CreateBucket,
        "change-bucket": ChangeBucket,
        "purge-key": PurgeKey,
        "create-view": CreateView,
        "drop-view": DropView,
    },
}
"""The operations as people find them."""

OPERATIONS: Operations = {name: kind for group in GROUPS.values() for name, kind in group.items()}

__all__ = [
    "DEFAULT_SCHEDULES",
    "GROUPS",
    "OPERATIONS",
    "SCHEDULABLE",
    "AcceptDrift",
    "Archive",
    "Backup",
    "ChangeBucket",
    "ChangeStream",
    "CheckLog",
    "Compare",
    "CompareReplicas",
    "CreateBucket",
    "CreateConsumer",
    "CreateStream",
    "CreateView",
    "DeleteConsumer",
    "DeleteFile",
    "DeleteMessage",
    "DeleteStream",
    "DestroyKeys",
    "DismissParked",
    "Drop",
    "DropSnapshots",
    "DropView",
    "Export",
    "ImportEvents",
    "Migrate",
    "Park",
    "Pause",
    "PauseConsumer",
    "ProveSnapshots",
    "PruneSnapshots",
    "Purge",
    "PurgeKey",
    "Rebuild",
    "RecordHeads",
    "Release",
    "RemoveSchedule",
    "Replay",
    "ReplayParked",
    "ResetConsumer",
    "Restore",
    "RestoreArchive",
    "Resume",
    "ResumeConsumer",
    "Retry",
    "RollBackArchive",
    "RotateKeys",
    "Seal",
    "SetSchedule",
    "Skip",
    "StartModels",
    "Switch",
    "SwitchFlag",
    "TakeEvidence",
    "TakeSnapshot",
    "Verify",
    "scheduled_operation",
]
