"""This module is what the two verifiers of evidence say of a file, once they say the same."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from playwright.sync_api import Page

from apps.persistence.transfer.evidence_verifier import REFUSED, NoKey, Unusable, shown, verify
from tests.persistence.evidence_stage import packed, taken_apart

AT_ONCE = 500
JUDGE = """async ([data, changes, keys]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const said = [];
  for (const [start, end, text] of changes) {
    const put = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const changed = new Uint8Array(start + put.length + bytes.length - end);
    changed.set(bytes.subarray(0, start));
    changed.set(put, start);
    changed.set(bytes.subarray(end), start + put.length);
    const { kind, heading, lines, advice } = await evidence_page.judge(changed, keys);
    const verdict = kind === "wrong" ? "wrong" : { "Not checked": "unusable", "Not verified": "no key" }[heading] ?? "intact";
    said.push([verdict, verdict === "no key" ? [advice] : lines]);
  }
  return said;
}"""
Change = tuple[int, int, bytes]
"""From where to where what stands in the place of what was there."""
WHOLE: Change = (0, 0, b"")


def slim(data: bytes) -> bytes:
    """The file without the verifiers in it, so that changes meet what counts."""
    manifest, blocks = taken_apart(data)
    large = {one["cid"].raw for one in manifest["files"] if one["name"].startswith("evidence_verifier")}
    files = [one for one in manifest["files"] if one["cid"].raw not in large]
    return packed({**manifest, "files": files}, {cid: block for cid, block in blocks.items() if cid not in large})


def by_page(verifier: Page, data: bytes, changes: list[Change], keys: dict[str, Any]) -> list[list[Any]]:
    """What the page says of each changed file: its kind, the lines where it is intact, and why where no key fits."""
    said: list[list[Any]] = []
    for start in range(0, len(changes), AT_ONCE):
        part = [[first, end, b64encode(put).decode()] for first, end, put in changes[start : start + AT_ONCE]]
        said += verifier.evaluate(JUDGE, [b64encode(data).decode(), part, keys])
    return said


def by_python(data: bytes, change: Change, keys: dict[str, Any]) -> list[Any]:
    first, end, put = change
    try:
        return [
            "intact",
            verify(
                data[:first] + put + data[end:], keys.get("vkeys", []), keys.get("policy"), [keys["changes"]] if "changes" in keys else []
            ),
        ]
    except Unusable:
        return ["unusable", []]
    except NoKey as error:
        said = shown(str(error))
        return ["no key", [f"{said[0].upper()}{said[1:]}."]]
    except REFUSED:
        return ["wrong", []]


def agreed(verifier: Page, data: bytes, changes: list[Change], /, **keys: Any) -> list[str]:
    """The kinds of verdict on each change, once both verifiers say the same."""
    paged = by_page(verifier, data, changes, keys)
    for change, said in zip(changes, paged, strict=True):
        assert said == by_python(data, change, keys), (change[:2], change[2][:60])
    return [kind for kind, _ in paged]
