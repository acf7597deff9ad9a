"""This package is projections: events folded into read models, exactly once, by one worker at a time; their lag, and building anew."""

from .cached import CachedProjection
from .compare import compare_builds, keep_comparison
from .control import (
    RECORDS_BUCKET,
    change_record,
    ensure_record,
    find_record,
    hold_feeds,
    list_records,
    pause,
    read_record,
    release_feeds,
    resume,
    retry,
    serving_bucket,
    skip_failed,
)
from .definition import Model, Models, ProjectionDefinition, Target, bucket_of, model_key
from .fields import check_fields
from .filling import Crew, Filling, filling_of
from .lag import ProjectionStatus, Rebuild, State, Trend, project_status
from .models import Position, place_of, read_position
from .parking import LateModel, apply_parked, dismiss_parked, find_here, find_parked, look_at_parked, park_failed
from .placing import at_generation, on_layout, placed
from .reading import current_model, find_model, list_models
from .reapply import Overtaken, Reapplied, Selection, find_overtaken, reapply, select_patterns
from .rebuild import Rebuilt, begin_build, build_beside, drop_build, fill_build, switch
from .record import Build, Comparison, Failure, Parked, ProjectionRecord, Skip, Wanted, to_record
from .runner import EventRefused, Orders, Progress, run_projection
from .sampler import run_sampler
from .samples import Sample, TierName, read_samples
from .starting import (
    Beginning,
    complete_start,
    drop_start,
    drop_unused_starts,
    find_beginning,
    is_start_complete,
    needs_start,
    start_of,
    start_version,
)
from .stream_samples import StreamSamples, StreamSeries, read_stream_samples
from .supervisor import HeldLease, HoldLease, run_all

__all__ = [
    "RECORDS_BUCKET",
    "Beginning",
    "Build",
    "CachedProjection",
    "Comparison",
    "Crew",
    "EventRefused",
    "Failure",
    "Filling",
    "HeldLease",
    "HoldLease",
    "LateModel",
    "Model",
    "Models",
    "Orders",
    "Overtaken",
    "Parked",
    "Position",
    "Progress",
    "ProjectionDefinition",
    "ProjectionRecord",
    "ProjectionStatus",
    "Reapplied",
    "Rebuild",
    "Rebuilt",
    "Sample",
    "Selection",
    "Skip",
    "State",
    "StreamSamples",
    "StreamSeries",
    "Target",
    "TierName",
    "Trend",
    "Wanted",
    "apply_parked",
    "at_generation",
    "begin_build",
    "bucket_of",
    "build_beside",
    "change_record",
    "check_fields",
    "compare_builds",
    "complete_start",
    "current_model",
    "dismiss_parked",
    "drop_build",
    "drop_start",
    "drop_unused_starts",
    "ensure_record",
    "fill_build",
    "filling_of",
    "find_beginning",
    "find_here",
    "find_model",
    "find_overtaken",
    "find_parked",
    "find_record",
    "hold_feeds",
    "is_start_complete",
    "keep_comparison",
    "list_models",
    "list_records",
    "look_at_parked",
    "model_key",
    "needs_start",
    "on_layout",
    "park_failed",
    "pause",
    "place_of",
    "placed",
    "project_status",
    "read_position",
    "read_record",
    "read_samples",
    "read_stream_samples",
    "reapply",
    "release_feeds",
    "resume",
    "retry",
    "run_all",
    "run_projection",
    "run_sampler",
    "select_patterns",
    "serving_bucket",
    "skip_failed",
    "start_of",
    "start_version",
    "switch",
    "to_record",
]
