"""This module is where other people's test vectors lie: `CIM_FIXTURES`, else `shared/fixtures` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

FIXTURES = Path(os.environ.get("CIM_FIXTURES") or Path(__file__).resolve().parents[2] / "shared" / "fixtures")
