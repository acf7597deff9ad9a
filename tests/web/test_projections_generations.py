"""This module is the tests of what the projections pages say after a migration and its way back, of a projection that stops."""

from __future__ import annotations

import re

import pytest

from .conftest import Visitor
from .working_console import FAILED_AT, page, read, start_run, wait_for, wait_until

FORWARD = "/runs/new/migrate/review/?migration=example.write-newest-schemas"
BACK = f"{FORWARD}&direction=back"

pytestmark = pytest.mark.usefixtures("home", "worker")


def test_failure_is_that_of_the_build_that_replaces_the_old_one_until_it_is_rolled_back(operator: Visitor) -> None:
    wait_for(operator, "/projections/discount-audit/", f"Failed at {FAILED_AT}")
    wait_for(operator, start_run(operator, FORWARD), "Receipt finished")

    text = wait_for(operator, "/projections/discount-audit/", "of CIM-EVENTS-2, while build 2 was filled")
    assert "Readers use build 1, as it was when CIM-EVENTS was closed; build 2, of CIM-EVENTS-2, replaces it" in text
    assert f"Stopped at {FAILED_AT} of CIM-EVENTS, which is closed" in text
    html = page(operator, "/projections/discount-audit/")
    (stopped,) = set(re.findall(r'href="/streams/CIM-EVENTS-2/(\d+)/"', html))
    assert f"projection=discount-audit&amp;sequence={stopped}" in html
    assert "It stopped at sequence" in read(operator, "/projections/")

    wait_for(operator, start_run(operator, BACK), "Receipt finished")
    wait_until(lambda: "Build 2 of discount-audit" not in read(operator, "/projections/"), "build 2 is never dropped")
    text = wait_for(operator, "/projections/discount-audit/", f"Failed at {FAILED_AT}")
    assert "while build 2 was filled" not in text
    assert "CIM-EVENTS-2" not in text
