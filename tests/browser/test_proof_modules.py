"""The modules with which a browser verifies agree with what others publish and with Python, block by block and note by note.

They are loaded as they are served, into a page that holds nothing else.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from playwright.sync_api import Browser, Page

from apps.persistence.encoding import cid_of
from tests.browser import proof_cases
from tests.browser.small_order import signed_with_small_order

STATIC = Path(__file__).resolve().parents[2] / "static"
BLOCKS = 2_000
NOTES = 300


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The address of a server of the static files alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(STATIC)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def modules(browser: Browser, served: str) -> Iterator[Page]:
    """A page that has loaded every module as `proof`."""
    page = browser.new_page()
    page.goto(f"{served}/vendor/README.md")
    page.evaluate(
        """async () => {
          const names = ["cbor", "cid", "tree", "notes", "events"];
          const loaded = await Promise.all(names.map((name) => import(`/js/proof/${name}.js`)));
          window.proof = Object.assign({}, ...loaded);
          window.bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
          window.refusable = (action) => { try { return action(); } catch (error) {
            if (!["NotStrict", "NotAnEvent", "BadProof", "Refused"].includes(error.constructor.name)) throw error;
            return "refused"; } };
        }"""
    )
    yield page
    page.close()


SAY = """
  const view = new DataView(new ArrayBuffer(8));
  const float = (value) => (view.setFloat64(0, value), proof.hex(new Uint8Array(view.buffer)));
  const say = (value) => value instanceof Map ? `{${[...value].map(([key, item]) => `${say(key)}:${say(item)}`).join(",")}}`
    : Array.isArray(value) ? `[${value.map(say).join(",")}]`
    : value instanceof proof.Float ? `float ${float(value.value)}`
    : value instanceof proof.Link ? `link ${proof.hex(value.raw)}`
    : value instanceof Uint8Array ? `bytes ${proof.hex(value)}`
    : typeof value === "string" ? `text ${proof.hex(new TextEncoder().encode(value))}` : String(value);
"""


# -- what others publish ---------------------------------------------------------------------------------------------------------------


def test_published_blocks_are_read_and_malformed_ones_refused(modules: Page, fixtures_dir: Path) -> None:
    valid = [file.read_bytes().hex() for file in sorted((fixtures_dir / "dag-cbor" / "valid").glob("*/*.dag-cbor"))]
    invalid = [case["hex"] for file in (fixtures_dir / "dag-cbor" / "invalid").rglob("*.json") for case in json.loads(file.read_text())]

    said = modules.evaluate("(blocks) => blocks.map((hex) => refusable(() => (proof.decode(bytes(hex)), 'read')))", valid + invalid)

    assert said == ["read"] * 125 + ["refused"]


def test_blake3_is_that_of_the_published_vectors(modules: Page, fixtures_dir: Path) -> None:
    cases = json.loads((fixtures_dir / "blake3" / "test_vectors.json").read_text())["cases"]

    found = modules.evaluate(
        "(lengths) => lengths.map((length) => proof.hex(proof.cidOf(Uint8Array.from({ length }, (_, at) => at % 251))))",
        [case["input_len"] for case in cases],
    )

    assert len(cases) == 35
    assert found == [f"01711e20{case['hash'][:64]}" for case in cases]


def test_all_196_published_proofs_are_judged_as_they_say(modules: Page, fixtures_dir: Path) -> None:
    cases = [json.loads(file.read_text()) for file in sorted((fixtures_dir / "merkle").rglob("*.json"))]

    accepted = modules.evaluate(
        """(cases) => {
          const raw = (text) => Uint8Array.from(atob(text ?? ""), (letter) => letter.charCodeAt(0));
          const included = ({ leafHash, leafIdx: index, treeSize: size, root }, proof_) =>
            proof.checkInclusion(raw(leafHash), { index, size, root: raw(root), proof: proof_ });
          const consistent = ({ size1: oldSize, root1, size2: newSize, root2 }, proof_) =>
            proof.checkConsistency({ oldSize, oldRoot: raw(root1), newSize, newRoot: raw(root2), proof: proof_ });
          const check = (one) => ("leafIdx" in one ? included : consistent)(one, (one.proof ?? []).map(raw));
          return cases.map((one) => refusable(() => (check(one), "accepted")));
        }""",
        cases,
    )

    assert len(cases) == 196
    assert accepted == ["refused" if case["wantErr"] else "accepted" for case in cases]


# The example of C2SP signed-note, word for word.
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_the_published_note_holds_by_the_browser_and_by_noble_and_not_when_a_letter_differs(modules: Page) -> None:
    held = modules.evaluate(
        """async ([text, vkey]) => {
          const key = proof.parseVkey(vkey);
          const note = proof.parseNote(new TextEncoder().encode(text));
          const signature = note.signatures[0].blob;
          const [same, other] = [note.text, note.text.replace("answer", "Answer")].map((words) => new TextEncoder().encode(words));
          const found = await proof.verifyNote(note, [key]);
          const forged = proof.verifyNote({ ...note, text: note.text + " " }, [key]);
          const changed = await forged.then(() => "held", (error) => error.constructor.name);
          const byNoble = [await proof.holdsByNoble(key.public, same, signature), await proof.holdsByNoble(key.public, other, signature)];
          return [found.length, changed, ...byNoble];
        }""",
        [PUBLISHED_NOTE, PUBLISHED_KEY],
    )

    assert held == [1, "Refused", True, False]


def test_noble_refuses_a_signature_with_a_part_of_small_order_as_browsers_do(modules: Page) -> None:
    vkey, message, whole, twisted = signed_with_small_order()
    public = Ed25519PublicKey.from_public_bytes(vkey)
    public.verify(whole, message)
    with pytest.raises(InvalidSignature):
        public.verify(twisted, message)

    held = modules.evaluate(
        """async (cases) => {
          const raw = (one) => Uint8Array.from(one.match(/../g), (pair) => parseInt(pair, 16));
          return Promise.all(cases.map(([key, message, signature]) => proof.holdsByNoble(raw(key), raw(message), raw(signature))));
        }""",
        [[vkey.hex(), message.hex(), signature.hex()] for signature in (whole, twisted)],
    )

    assert held == [True, False]


# -- what Python says ------------------------------------------------------------------------------------------------------------------


def test_two_thousand_blocks_most_of_them_damaged_are_read_as_python_reads_them(modules: Page) -> None:
    seed = random.randrange(2**32)
    blocks = proof_cases.some_blocks(random.Random(seed), BLOCKS)
    expected = [proof_cases.judged(block) for block in blocks]

    found = modules.evaluate(
        f"""(blocks) => {{ {SAY}
          const event = (block) => {{
            const {{ key, version, type, previous }} = proof.readEvent(block);
            return `${{key}} ${{version}} ${{type}} ${{previous ? proof.textOf(previous) : ""}}`;
          }};
          return blocks.map(bytes).map((block) => [refusable(() => say(proof.decode(block))), refusable(() => event(block))]);
        }}""",
        [block.hex() for block in blocks],
    )

    differing = [(block.hex(), ours, theirs) for block, ours, theirs in zip(blocks, expected, found, strict=True) if ours != theirs]
    assert differing == [], f"seed {seed}"
    assert BLOCKS // 20 < sum(read != "refused" for read, _ in expected) < BLOCKS * 19 // 20


def test_checkpoints_most_of_them_damaged_are_judged_as_python_judges_them(modules: Page) -> None:
    seed = random.randrange(2**32)
    notes = proof_cases.some_notes(random.Random(seed), NOTES)

    found = modules.evaluate(
        """async ([notes, vkeys, origin]) => Promise.all(notes.map(async (hex) => {
          try {
            const { size, root, seen, unknown } = await proof.openCheckpoint(bytes(hex), vkeys.map(proof.parseVkey), { origin });
            return `${size} ${proof.hex(root)} ${seen.map(({ time }) => time).join(",")} ${unknown}`;
          } catch (error) {
            return error instanceof proof.Refused ? "refused" : String(error);
          }
        }))""",
        [[note.hex() for note in notes], [key.vkey for key in proof_cases.known_keys()], proof_cases.LOG.name],
    )

    judged = [proof_cases.judged_note(note) for note in notes]
    differing = [(note, ours, theirs) for note, ours, theirs in zip(notes, judged, found, strict=True) if ours != theirs]
    assert differing == [], f"seed {seed}"
    assert "refused" not in judged[0]


def test_a_cid_is_written_and_read_as_python_does_it(modules: Page) -> None:
    cids = [cid_of(bytes([number])) for number in range(20)]

    found = modules.evaluate(
        "(raws) => raws.map(bytes).map((raw) => [proof.textOf(raw), proof.hex(proof.parseCid(proof.textOf(raw)))])",
        [cid.raw.hex() for cid in cids],
    )
    refused = modules.evaluate(
        "(texts) => texts.map(proof.parseCid)", ["", str(cids[0])[:-1], str(cids[0]).upper(), f"{str(cids[0])[:-1]}7"]
    )

    assert found == [[str(cid), cid.raw.hex()] for cid in cids]
    assert refused == [None, None, None, None]
