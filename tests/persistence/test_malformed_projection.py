"""What is no record of a projection is named, with what to do."""

from __future__ import annotations

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.events import now
from apps.persistence.projections import find_record, list_records
from apps.persistence.projections.control import RECORDS_BUCKET
from apps.persistence.projections.record import Build, ProjectionRecord, to_bytes
from apps.persistence.store import Store, ensure_bucket, kv_delete, kv_put

from .malformed import SPOILED, spoil


@pytest.mark.parametrize("shape", SPOILED)
async def test_record_that_cannot_be_read_is_named(store: Store, shape: str) -> None:
    await ensure_bucket(store.connection, RECORDS_BUCKET)
    first = Build(number=1, version=1, started=now())
    record = ProjectionRecord(name="spoiled", created=now(), serving=1, builds=(first,), last_build=1)
    await kv_put(store.connection, RECORDS_BUCKET, record.name, to_bytes(record))
    before = await find_record(store.connection, record.name)
    try:
        await spoil(store.connection, RECORDS_BUCKET, record.name, shape)
        with pytest.raises(InvalidInput, match=r"What cim-projections holds of spoiled cannot be read .* put the last one back"):
            await find_record(store.connection, record.name)
        with pytest.raises(InvalidInput, match="spoiled"):
            await list_records(store.connection)
    finally:
        await kv_delete(store.connection, RECORDS_BUCKET, record.name)

    assert before is not None
    assert [build.number for build in before.builds] == [1]
