"""This module is the keys of a bucket, a page of them: never all keys of a bucket that has many, so that a million open as fast as ten.

Up to LISTED_KEYS keys (of the bucket, or below the prefix) the server names them, and they stand in the order of their names. Above that
they stand by their last change, newest first: a page is read backwards from the stream's end by Direct Get, and what a key held before is
left out. No consumer is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from apps.persistence.errors import InvalidInput
from apps.persistence.store import Message, Store, count_messages, get_last, last_of_each, page_back, subjects_matching

from .buckets import Bucket, get_bucket
from .revisions import Revision, check_shown_key, subject_of, to_revision

PAGE_KEYS = 50
FEWEST_KEYS = 5
LISTED_KEYS = 10_000
PAGE_BYTES = 8_000_000
"""About how much a page may read: where values are large, it holds fewer."""
_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuery:
    """What the address asks for: keys that begin with `prefix`; page `page` by name, or those changed before the revision `before`."""

    prefix: str = ""
    page: int = 1
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """A page of keys. `by_name`: in the order of names, `matching` of them; else by their last change, and `matching` is None.

    `older` continues a page by change; `is_complete` is False where the search ended before the page was full. `exact` is the key that is
    called just as the prefix, where the page might not show it.
    """

    bucket: Bucket
    query: KeyQuery
    rows: tuple[Revision, ...]
    by_name: bool
    size: int
    matching: int | None = None
    older: int | None = None
    is_complete: bool = True
    exact: Revision | None = None
    problem: str = ""

    @property
    def first(self) -> int:
        return (self.query.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def page_after(self) -> int | None:
        return self.query.page + 1 if self.matching is not None and self.last < self.matching else None

    @property
    def page_before(self) -> int | None:
        return self.query.page - 1 if self.by_name and self.query.page > 1 else None


async def read_keys(store: Store, name: str, query: KeyQuery) -> KeyPage:
    """A page of the keys of a bucket. Raises NotFound, Unavailable."""
    bucket = await get_bucket(store, "keys", name)
    page = KeyPage(bucket=bucket, query=query, rows=(), by_name=True, size=_page_size(bucket), matching=0)
    if not bucket.info.messages:
        return page
    try:
        exact = await _find(store, bucket, query.prefix) if query.prefix else None
        pattern = _pattern(bucket, query.prefix)
    except InvalidInput as error:
        return replace(page, problem=str(error))
    if await _is_listed(store, bucket, pattern):
        return await _by_name(store, page, pattern)
    return replace(await _by_change(store, page, pattern), exact=exact)


def _page_size(bucket: Bucket) -> int:
    average = bucket.info.bytes / max(1, bucket.info.messages)
    return max(FEWEST_KEYS, min(PAGE_KEYS, int(PAGE_BYTES / max(average, 1))))


def _pattern(bucket: Bucket, prefix: str) -> str:
    """What matches every key that begins with the whole tokens of the prefix. Raises InvalidInput."""
    tokens = prefix.split(".")[:-1]
    return f"$KV.{bucket.name}.{check_shown_key('.'.join(tokens))}.>" if tokens else f"$KV.{bucket.name}.>"


async def _find(store: Store, bucket: Bucket, key: str) -> Revision | None:
    """The key of that name, where there is one; a prefix may end in a dot, which no key does."""
    if key.endswith("."):
        return None
    message = await get_last(store.connection, bucket.info.name, subject_of(bucket, key))
    return to_revision(bucket, message) if message else None


async def _is_listed(store: Store, bucket: Bucket, pattern: str) -> bool:
    """Whether there are few enough keys for the server to name them all."""
    if bucket.info.subject_count <= LISTED_KEYS:
        return True
    if pattern == f"$KV.{bucket.name}.>" or not bucket.info.allows_direct:
        return False
    return await count_messages(store.connection, bucket.info.name, [pattern]) <= LISTED_KEYS


async def _by_name(store: Store, page: KeyPage, pattern: str) -> KeyPage:
    bucket = page.bucket
    start = f"$KV.{bucket.name}.{page.query.prefix}"
    named = await subjects_matching(store.connection, bucket.info.name, pattern)
    matching = sorted(subject for subject in named if subject.startswith(start))
    number = max(1, min(page.query.page, -(-len(matching) // page.size)))
    shown = matching[(number - 1) * page.size : number * page.size]
    newest = await last_of_each(store.connection, bucket.info.name, shown) if shown else []
    rows = {message.subject: to_revision(bucket, message) for message in newest}
    return replace(
        page,
        query=replace(page.query, page=number),
        rows=tuple(rows[subject] for subject in shown if subject in rows),
        matching=len(matching),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Going back through a bucket's stream; `end` is where to go on below."""

    end: int
    rows: list[Revision] = field(default_factory=list)
    is_complete: bool = True


async def _by_change(store: Store, page: KeyPage, pattern: str) -> KeyPage:
    """Backwards until the page is full. A message that is not its key's newest is left out: the key stands further up."""
    bucket, info = page.bucket, page.bucket.info
    walk = _Walk(end=page.query.before or info.last_sequence + 1)
    deadline = time.monotonic() + _SECONDS
    while len(walk.rows) < page.size and walk.end > info.first_sequence:
        part = await page_back(store.connection, info, before_sequence=walk.end, limit=page.size, pattern=pattern)
        fresh = reversed(await _newest(store, bucket, part.messages))
        for message in fresh:
            if len(walk.rows) == page.size:
                break
            walk.end = message.sequence
            if message.subject.startswith(f"$KV.{bucket.name}.{page.query.prefix}"):
                walk.rows.append(to_revision(bucket, message))
        if len(walk.rows) < page.size:
            walk.end = part.scanned_from
        if not part.is_complete or time.monotonic() > deadline:
            walk.is_complete = len(walk.rows) == page.size
            break
    older = walk.end if walk.end > info.first_sequence else None
    return replace(page, rows=tuple(walk.rows), by_name=False, matching=None, older=older, is_complete=walk.is_complete)


async def _newest(store: Store, bucket: Bucket, messages: Iterable[Message]) -> list[Message]:
    """Those that are the newest of their key, in their order."""
    found = list(messages)
    if bucket.history == 1 or not found:
        return found
    subjects = sorted({message.subject for message in found})
    newest = {message.sequence for message in await last_of_each(store.connection, bucket.info.name, subjects)}
    return [message for message in found if message.sequence in newest]
