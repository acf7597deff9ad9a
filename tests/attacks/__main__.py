"""This module is `python3 run.py attack`: every attack on a stream's history at many random places, and honest runs beside them.

Two servers of its own are started in a temporary folder; nothing of a running console is touched. It ends with 1 where an attack was not
found, the first bad sequence was named exactly in fewer than 95 of 100 rounds, or an honest run raised an alarm.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from apps.persistence.store.embedded import EmbeddedServer

from .attacks import ATTACKS
from .drift import play_drift
from .files import FILE_ATTACKS, play_files
from .honest import play_honest
from .rounds import play_all
from .stage import Stage, open_stage
from .table import HEADER, Row, sums_of

ROUNDS, HONEST_RUNS, AT_ONCE = 50, 1000, 6


def main() -> int:
    options = _parse()
    print(f"seed {options.seed}; the same again with --seed {options.seed}", flush=True)
    return asyncio.run(_run(options))


def _parse() -> argparse.Namespace:
    named = "\n".join(f"  {attack.name}" for attack in ATTACKS)
    parser = argparse.ArgumentParser(
        prog="run.py attack", description=f"{__doc__}\n{named}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each attack is tried ({ROUNDS})")
    parser.add_argument("--honest", type=int, default=HONEST_RUNS, help=f"how many honest runs there are ({HONEST_RUNS:,})")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="chooses the histories and places (any)")
    parser.add_argument("--only", default="", metavar="WORDS", help="only attacks whose name holds these words")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"how many rounds are prepared beside each other ({AT_ONCE})")
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> int:
    chosen = [attack for attack in ATTACKS if options.only in attack.name]
    with tempfile.TemporaryDirectory(prefix="cim-attacks-") as name:
        folder = Path(name)
        with EmbeddedServer(folder / "nats") as server, EmbeddedServer(folder / "false") as false_server:
            async with open_stage(server, false_server, folder) as stage:
                print(HEADER, flush=True)
                rows: list[Row] = []
                async for outcomes in play_all(stage, chosen, rounds=options.rounds, seed=options.seed, at_once=options.at_once):
                    rows.append(Row(name=outcomes[0].name, outcomes=outcomes))
                    print(rows[-1].text, flush=True)
                for number, file_attack in enumerate(one for one in FILE_ATTACKS if options.only in one.name):
                    outcomes = await play_files(stage, folder / f"files-{number}", file_attack, rounds=options.rounds, seed=options.seed)
                    rows.append(Row(name=file_attack.name, outcomes=outcomes))
                    print(rows[-1].text, flush=True)
                alarms = await _honest_runs(stage, options)
            if not options.only or "settings" in options.only:
                for outcomes in await play_drift(server, rounds=options.rounds, seed=options.seed):
                    rows.append(Row(name=outcomes[0].name, outcomes=outcomes))
                    print(rows[-1].text, flush=True)
    for one in [one for row in rows for one in row.outcomes if not one.is_found or not one.is_exact]:
        print(f"{one.name}, round {one.number}: expected {one.expected}, named {one.named}; {one.words or 'not found'}")
    for alarm in alarms:
        print(f"false alarm: {alarm}")
    line, is_good = sums_of(rows, honest=options.honest, false_alarms=len(alarms))
    print(line)
    return 0 if is_good else 1


async def _honest_runs(stage: Stage, options: argparse.Namespace) -> list[str]:
    slots = asyncio.Semaphore(options.at_once)

    async def one(number: int) -> list[str]:
        async with slots:
            return [f"run {number}: {alarm}" for alarm in await play_honest(stage, number, seed=options.seed)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(options.honest)]
    return [alarm for task in tasks for alarm in task.result()]


if __name__ == "__main__":
    sys.exit(main())
