"""`run.py`: what it hands on, how it counts, and that a test environment can also run the console."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import run

REPORT = '<testsuites><testsuite tests="10" failures="1" errors="2" skipped="3"/></testsuites>'


def test_options_of_up_are_handed_on() -> None:
    arguments, rest = run.parse(["up", "--port", "8001", "--no-demo", "--help"])

    assert (arguments.command, rest) == ("up", ["--port", "8001", "--no-demo", "--help"])


def test_what_follows_two_dashes_goes_to_pytest() -> None:
    arguments, rest = run.parse(["test", "--only", "web", "--", "-k", "sign_in", "--only"])

    assert (arguments.only, rest) == ("web", ["-k", "sign_in", "--only"])


def test_option_that_test_does_not_know_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.parse(["test", "-k", "sign_in"])

    assert "unknown option -k; hand options to pytest after --" in capsys.readouterr().err


def test_counts_of_suites_are_added(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    totals = {"tests": 5, "failures": 0, "errors": 0, "skipped": 0}

    run.add_counts(totals, report)

    assert totals == {"tests": 15, "failures": 1, "errors": 2, "skipped": 3}


def test_last_line_sums_up_and_names_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    code = run.closing_line({"tests": 15, "failures": 1, "errors": 2, "skipped": 3}, ["web"], 7.4)

    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "9 passed, 3 failed, 3 skipped in 7 s (web failed)"


def test_run_without_a_single_test_is_a_failure() -> None:
    assert run.closing_line({"tests": 0, "failures": 0, "errors": 0, "skipped": 0}, [], 0.1) == 1


def test_test_environment_has_every_package_of_the_console() -> None:
    assert run.pins_of("requirements.lock") - run.pins_of("requirements-test.lock") == set()


def test_locks_name_no_package_index() -> None:
    texts = [(run.ROOT / name).read_text() for name in ("requirements.lock", "requirements-test.lock", "requirements-postgres.lock")]

    assert [text for text in texts if "://" in text] == []


def test_browser_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_CHROMIUM", "/nowhere/chromium")

    with pytest.raises(run.Stop, match="CIM_CHROMIUM is '/nowhere/chromium', which is no program"):
        run.find_browser()


def test_missing_venv_module_names_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.os, "geteuid", lambda: 1000)

    with pytest.raises(run.Stop, match="sudo apt-get install -y python3-venv"):
        run.install_with_apt("python3-venv", "Python lacks its venv module")


def test_help_is_printed_without_making_an_environment(tmp_path: Path) -> None:
    copy = tmp_path / "run.py"
    copy.write_text((run.ROOT / "run.py").read_text())

    done = subprocess.run([sys.executable, copy, "--help"], capture_output=True, text=True)

    assert "python3 run.py up" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["run.py"]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], run.Suite]:
    """A suite of one file of tests, given by its text, run by the Python that runs this."""
    monkeypatch.setattr(run, "PYTHON", sys.executable)

    def of(tests: str) -> run.Suite:
        (tmp_path / "test_it.py").write_text(tests)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        monkeypatch.setitem(
            run.SUITES, "some", [str(tmp_path), "-q", "-c", str(tmp_path / "pytest.ini"), "-p", "no:django", "-p", "no:playwright"]
        )
        return run.Suite("some", tmp_path, [], dict(os.environ))

    return of


def counted(suite: run.Suite) -> dict[str, int]:
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    run.add_counts(totals, suite.report)
    return totals


def test_words_of_a_suite_are_shown_in_its_turn(suite: Callable[[str], run.Suite], capsys: pytest.CaptureFixture[str]) -> None:
    passing = suite("def test_good(): pass")

    assert passing.show() == 0
    assert "1 passed" in capsys.readouterr().out


def test_a_test_that_passes_only_alone_is_named_and_not_counted(
    suite: Callable[[str], run.Suite], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    once = suite(
        f"import pathlib\nmark = pathlib.Path({str(mark)!r})\ndef test_once():\n    seen = mark.exists(); mark.touch(); assert seen"
    )
    once.start()

    assert once.show() == 1
    totals = counted(once)
    assert once.passes_alone(totals)
    assert totals == {"tests": 1, "failures": 0, "errors": 0, "skipped": 0}
    assert "Passed only alone: test_it::test_once" in capsys.readouterr().out


def test_a_test_that_fails_twice_has_failed(suite: Callable[[str], run.Suite]) -> None:
    failing = suite("def test_bad(): assert False")
    failing.start()
    failing.show()
    totals = counted(failing)

    assert not failing.passes_alone(totals)
    assert totals["failures"] == 1


def test_many_failures_are_not_tried_again(suite: Callable[[str], run.Suite], tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    bad = f"def test_bad(n):\n    open({str(mark)!r}, 'a').write('x'); assert False"
    failing = suite(f"import pytest\n@pytest.mark.parametrize('n', range(11))\n{bad}")
    failing.start()
    failing.show()

    assert not failing.passes_alone(counted(failing))
    assert mark.read_text() == "x" * 11


def test_a_suite_that_cannot_be_read_has_failed(suite: Callable[[str], run.Suite]) -> None:
    broken = suite("this is no Python")
    broken.start()

    assert broken.show() not in (0, run.TESTS_FAILED)
    assert not broken.passes_alone(counted(broken))
