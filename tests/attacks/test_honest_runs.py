"""Nothing raises an alarm where nobody cheats, while events are appended, logged, signed, witnessed and verified at the same time."""

from __future__ import annotations

import pytest

from .honest import play_honest
from .stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("number", range(20))
async def test_honest_run_raises_no_alarm(stage: Stage, number: int) -> None:
    alarms = await play_honest(stage, number, seed=1)

    assert alarms == []
