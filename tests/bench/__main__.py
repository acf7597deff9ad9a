"""This module is `python3 run.py bench`: the numbers that the design wants to reach, measured on this machine.

A server of its own is started in a temporary folder and filled first; nothing of a running console is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from importlib import import_module
from pathlib import Path

from .document import write_document
from .figures import Figure, to_text
from .machine import machine_facts
from .stage import Stage, open_stage

SUBJECTS = {
    "append": "append one event and ten, beside bare publishing",
    "load": "load aggregates, cold and warm, with and without a snapshot",
    "reading": "read the whole stream, and the memory that takes",
    "replay": "replay into a projection and verify the stream, with one worker and two",
    "libraries": "the same beside two other event sourcing libraries for Python",
    "proof": "encode, hash, decode and verify in one core's time",
    "pages": "every page of the console",
    "growth": "the same loads and pages on a tenth of the events",
    "heads": "record the heads of many aggregates, and hold the stream against them",
    "operations": "runs: what the engine costs, rebuild and verification by one worker and two",
    "browser": "from an append to the change on a screen",
    "browser_proof": "ten thousand events verified in a browser",
    "sockets": "two hundred open browsers",
}
EVENTS, QUICK_EVENTS = 1_000_000, 20_000
QUICK_SHARE = 0.1


def main() -> None:
    options = _parse()
    facts = machine_facts()
    print("\n".join(facts), flush=True)
    figures = asyncio.run(_measure(options))
    print(f"\n{to_text(figures)}")
    missed = [figure.what for figure in figures if figure.is_met is False]
    print(f"\n{len([figure for figure in figures if figure.is_met])} met, {len(missed)} missed")
    if options.write:
        write_document([*facts, f"{options.events:,} events"], figures)


def _parse() -> argparse.Namespace:
    named = "\n".join(f"  {name:13} {what}" for name, what in SUBJECTS.items())
    parser = argparse.ArgumentParser(
        prog="run.py bench", description=f"{__doc__}\n{named}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", choices=[*SUBJECTS, []], metavar="subject", help="what to measure; everything unless named")
    parser.add_argument("--events", type=int, help=f"how many events to store first ({EVENTS:,}; with --quick {QUICK_EVENTS:,})")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds: to see that it runs, not what it comes to")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the events in this folder, and use them again where it has them")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    options = parser.parse_args()
    options.subjects = options.subjects or list(SUBJECTS)
    options.events = options.events or (QUICK_EVENTS if options.quick else EVENTS)
    if options.events < 1_000:
        parser.error(f"--events {options.events} is too few; 1,000 are the least that all measures can be taken on")
    return options


async def _measure(options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    share = QUICK_SHARE if options.quick else 1.0
    async with open_stage(events=options.events, share=share, keep=options.keep) as stage:
        for subject in options.subjects:
            figures += await _measure_one(subject, stage)
    return figures


async def _measure_one(subject: str, stage: Stage) -> list[Figure]:
    print(f"{subject} ...", flush=True)
    began = time.monotonic()
    found: list[Figure] = await import_module(f"{__package__}.bench_{subject}").measure(stage)
    print(f"{to_text(found)}\n({time.monotonic() - began:.0f} s)\n", flush=True)
    return found


if __name__ == "__main__":
    main()
