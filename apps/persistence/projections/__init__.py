"""This package is projections: events folded into read models, exactly once, by one worker at a time; their lag, and building anew."""

from .compare import Comparison, compare_builds
from .control import (
    RECORDS_BUCKET,
    change_record,
    ensure_record,
    find_record,
    list_records,
    pause,
    read_record,
    resume,
    serving_bucket,
    skip_failed,
)
from .definition import Model, Models, ProjectionDefinition, Target, bucket_of, model_key
from .lag import ProjectionStatus, Rebuild, State, Trend, project_status
from .models import Position, place_of, read_position
from .placing import at_generation, placed
from .rebuild import Rebuilt, build_beside, drop_build, switch
from .record import Build, Failure, ProjectionRecord, Skip, Wanted, to_record
from .runner import EventRefused, Orders, Progress, run_projection
from .sampler import run_sampler
from .samples import Sample, TierName, read_samples
from .stream_samples import StreamSamples, StreamSeries, read_stream_samples
from .supervisor import HeldLease, HoldLease, run_all

__all__ = [
    "RECORDS_BUCKET",
    "Build",
    "Comparison",
    "EventRefused",
    "Failure",
    "HeldLease",
    "HoldLease",
    "Model",
    "Models",
    "Orders",
    "Position",
    "Progress",
    "ProjectionDefinition",
    "ProjectionRecord",
    "ProjectionStatus",
    "Rebuild",
    "Rebuilt",
    "Sample",
    "Skip",
    "State",
    "StreamSamples",
    "StreamSeries",
    "Target",
    "TierName",
    "Trend",
    "Wanted",
    "at_generation",
    "bucket_of",
    "build_beside",
    "change_record",
    "compare_builds",
    "drop_build",
    "ensure_record",
    "find_record",
    "list_records",
    "model_key",
    "pause",
    "place_of",
    "placed",
    "project_status",
    "read_position",
    "read_record",
    "read_samples",
    "read_stream_samples",
    "resume",
    "run_all",
    "run_projection",
    "run_sampler",
    "serving_bucket",
    "skip_failed",
    "switch",
    "to_record",
]
