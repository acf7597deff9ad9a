"""This package is the store: the connection to JetStream through which all persisted data is read and written."""

from .append import append, append_at
from .connection import Connection, open_connection
from .health import Health, MissingFeature, check_health
from .kv import (
    KvEntry,
    check_key,
    kv_all,
    kv_delete,
    kv_get,
    kv_get_many,
    kv_history,
    kv_keys,
    kv_put,
    kv_put_batch,
    to_entry,
)
from .layout import CONSOLE, EVENTS, Layout, SubjectParts
from .link import ConnectionState, CoreMessage, Link, Reply, ServerFacts
from .load import History, at_version, decode_event, find_version, head_of, history, load, messages_of
from .load import at_time as aggregate_at_time
from .message import Message
from .paging import Gap, StreamPage, gaps_between, page_back, page_forward
from .publish import Outgoing, PubAck, store_batch, store_message
from .push import StreamReader, open_reader
from .read import Batch, TooManyMatches, at_time, get_last, get_message, get_next, last_of_each, read_batch
from .settings import ConnectionSettings
from .store import (
    AGGREGATES_STREAM,
    COMMANDS_STREAM,
    Store,
    ensure_bucket,
    ensure_event_stream,
    ensure_home,
    ensure_stream,
    open_store,
)
from .streams import (
    ConsumerInfo,
    Follower,
    StreamInfo,
    find_consumer,
    get_stream,
    list_consumers,
    list_streams,
    subjects_matching,
)

__all__ = [
    "AGGREGATES_STREAM",
    "COMMANDS_STREAM",
    "CONSOLE",
    "EVENTS",
    "Batch",
    "Connection",
    "ConnectionSettings",
    "ConnectionState",
    "ConsumerInfo",
    "CoreMessage",
    "Follower",
    "Gap",
    "Health",
    "History",
    "KvEntry",
    "Layout",
    "Link",
    "Message",
    "MissingFeature",
    "Outgoing",
    "PubAck",
    "Reply",
    "ServerFacts",
    "Store",
    "StreamInfo",
    "StreamPage",
    "StreamReader",
    "SubjectParts",
    "TooManyMatches",
    "aggregate_at_time",
    "append",
    "append_at",
    "at_time",
    "at_version",
    "check_health",
    "check_key",
    "decode_event",
    "ensure_bucket",
    "ensure_event_stream",
    "ensure_home",
    "ensure_stream",
    "find_consumer",
    "find_version",
    "gaps_between",
    "get_last",
    "get_message",
    "get_next",
    "get_stream",
    "head_of",
    "history",
    "kv_all",
    "kv_delete",
    "kv_get",
    "kv_get_many",
    "kv_history",
    "kv_keys",
    "kv_put",
    "kv_put_batch",
    "last_of_each",
    "list_consumers",
    "list_streams",
    "load",
    "messages_of",
    "open_connection",
    "open_reader",
    "open_store",
    "page_back",
    "page_forward",
    "read_batch",
    "store_batch",
    "store_message",
    "subjects_matching",
    "to_entry",
]
