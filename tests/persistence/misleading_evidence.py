"""This module is files of evidence that say more than they prove, each with what a verifier has to make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from apps.persistence.encoding import Value, cid_of, decode, encode
from apps.persistence.events import AggregateRef, Event
from apps.persistence.log import tiles_of_spans
from apps.persistence.store import Message
from apps.persistence.transfer.evidence import Proved, pack, spans_for

from .evidence_stage import packed, taken_apart, with_file
from .made_evidence import MadeLog, new_witness
from .raw_stream import make_chain

WITNESS, STRANGER = new_witness(), new_witness("zz.example")
CHAIN = make_chain(AggregateRef("sales", "order", "o1"), 5)
LOG = MadeLog(events=CHAIN, witnesses=[WITNESS], seen_by=[WITNESS])
KEYS = {"vkeys": [LOG.vkey, WITNESS.verifier.vkey]}
SPELLED = "nothing\\u{a}  sales.order.o9: versions 1 to 9, without a gap\\u{1b}[2J\\u{202e}TCATNI\\u{2028}\\u{85}"
SPOOF = "nothing\n  sales.order.o9: versions 1 to 9, without a gap\x1b[2J\u202eTCATNI\u2028\x85"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misleading:
    data: bytes
    keys: dict[str, Any]
    verdict: str
    line: str = ""
    """One that has to be among those that the verifiers say."""


def with_manifest(data: bytes, **changes: Any) -> bytes:
    manifest, blocks = taken_apart(data)
    return packed({**manifest, **changes}, blocks)


def with_subject(subject: str) -> bytes:
    """The file with another subject of its second event, `sales.order.o1` at version 2."""
    manifest, _ = taken_apart(WHOLE)
    (log,) = manifest["logs"]
    events = [log["events"][0], [*log["events"][1][:2], subject], *log["events"][2:]]
    return with_manifest(WHOLE, logs=[{**log, "events": events}])


def of_other_versions() -> bytes:
    """Version 1, and in the place of the others those that somebody appended to the log later."""
    later = [replace(event, payload={**event.payload, "note": "forged"}) for event in CHAIN[1:]]
    forged: list[Event] = []
    for event in later:
        forged.append(replace(event, previous=cid_of((forged[-1] if forged else CHAIN[0]).to_block())))
    log = replace(LOG, events=[*CHAIN, *forged])
    messages = log.messages()
    chosen = [messages[0], *messages[5:]]
    tiles = log._tiles(messages)
    needed = tiles_of_spans(spans_for([message.sequence for message in chosen], len(messages), None))
    proved = Proved(covered=log._covered(messages), messages=chosen, tiles={tile: tiles[tile] for tile in needed}, older=None)
    return pack([proved], by="vera", reason="r").data


class BegunAnew(MadeLog):
    """One whose events have no link, which no program of ours writes beyond version 1."""

    def messages(self) -> list[Message]:
        blocks = [encode({**_map(event.to_block()), "previous": None}) for event in self.events]
        subjects = [self.layout.subject(event) for event in self.events]
        return [
            Message(self.stream, subject, place, 0, b"", block)
            for place, (subject, block) in enumerate(zip(subjects, blocks, strict=True), 1)
        ]


def _map(block: bytes) -> dict[str, Value]:
    found = decode(block)
    assert isinstance(found, dict)
    return found


def begun_anew() -> bytes:
    data = BegunAnew(events=[CHAIN[2]], key=LOG.key, witnesses=[WITNESS], seen_by=[WITNESS]).evidence().data
    manifest, _ = taken_apart(data)
    return with_manifest(data, logs=[{**manifest["logs"][0], "begins_anew": True}])


def nested(depth: int) -> bytes:
    groups = [f"group g{number} 1 {f'g{number - 1}' if number else 'w1'}\n" for number in range(depth)]
    policy = f"log {LOG.vkey}\nwitness w1 {WITNESS.verifier.vkey}\n{''.join(groups)}quorum g{depth - 1}\n"
    return with_file(WHOLE, ".policy", lambda _: policy.encode())


WHOLE = LOG.evidence().data
NOT_ASCII = "\x1c\x1f\x85\xa0\u2003\u2028\u3000\ufeff"
OWN = LOG.messages()[1].subject.removeprefix("cim.events.")
WRONG_SUBJECTS = [
    *(
        f"cim.events.{OWN.replace(old, new)}"
        for old, new in (("sales", "hr"), ("order", "invoice"), ("o1", "o2"), ("v2", "v3"), ("v2", "v02"))
    ),
    f"cim.events.{OWN.partition('.')[2]}",
    *(f"{root}{OWN}" for root in ("", ".", "cim..", "cim.*.", "cim.>.", "cim events.", "x\ny.", "cim\u202e.", "cim.events.x")),
    f"cim.events.{OWN}\n",
]
OF_ANOTHER_POLICY = with_file(WHOLE, ".policy", lambda _: f"log {LOG.vkey}\nwitness zz {STRANGER.verifier.vkey}\nquorum zz\n".encode())

MISLEADING = {
    "what is not in it": Misleading(
        data=with_manifest(WHOLE, without=[SPOOF]),
        keys=KEYS,
        verdict="intact",
        line=f"Not in the file (not signed): {SPELLED}",
    ),
    "a tail left out": Misleading(
        data=LOG.evidence(slice(0, 3)).data, keys=KEYS, verdict="intact", line="  sales.order.o1: versions 1 to 3, without a gap"
    ),
    "a gap": Misleading(
        data=LOG.evidence(slice(0, 5, 2)).data, keys=KEYS, verdict="intact", line="  sales.order.o1: versions 1 to 5, 2 left out"
    ),
    "other versions": Misleading(
        data=of_other_versions(), keys=KEYS, verdict="intact", line="  sales.order.o1: versions 1 to 5, without a gap"
    ),
    "a link that is not checked": Misleading(
        data=begun_anew(),
        keys=KEYS,
        verdict="intact",
        line="  sales.order.o1: what version 3 follows was not checked; the file says that the stream begins anew (not signed)",
    ),
    "groups in groups": Misleading(data=nested(16), keys={}, verdict="intact"),
    "groups too deep": Misleading(data=nested(17), keys={}, verdict="wrong"),
    "groups far too deep": Misleading(data=nested(1500), keys={}, verdict="wrong"),
    "a policy without an end": Misleading(data=with_file(WHOLE, ".policy", lambda text: text + b"#" * 65_536), keys=KEYS, verdict="wrong"),
    "an empty policy": Misleading(data=WHOLE, keys={"policy": ""}, verdict="unusable"),
    "keys and a policy": Misleading(data=WHOLE, keys={**KEYS, "policy": f"log {LOG.vkey}\nquorum none\n"}, verdict="unusable"),
    "a key with a typing error": Misleading(data=WHOLE, keys={"vkeys": [LOG.vkey + "x"]}, verdict="unusable"),
    "a key of nothing": Misleading(data=WHOLE, keys={"vkeys": [""]}, verdict="unusable"),
    "a key with an end of line": Misleading(data=WHOLE, keys={"vkeys": [f" {LOG.vkey}\n"]}, verdict="intact"),
    **{f"a key behind {ord(one):x}": Misleading(data=WHOLE, keys={"vkeys": [one + LOG.vkey]}, verdict="unusable") for one in NOT_ASCII},
    **{f"a key before {ord(one):x}": Misleading(data=WHOLE, keys={"vkeys": [LOG.vkey + one]}, verdict="unusable") for one in NOT_ASCII},
    "a key within white space": Misleading(data=WHOLE, keys={"vkeys": [f"\t\v\f\r\n {LOG.vkey} \r\n"]}, verdict="intact"),
    **{f"an event under {one!r}": Misleading(data=with_subject(one), keys=KEYS, verdict="wrong") for one in WRONG_SUBJECTS},
    "an event under another root": Misleading(data=with_subject(f"acme.{OWN}"), keys=KEYS, verdict="intact"),
    "another policy in it": Misleading(data=OF_ANOTHER_POLICY, keys=KEYS, verdict="intact"),
}
