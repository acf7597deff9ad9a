"""This module is the plain texts in evidence: the README, and policies and proofs as public clients read them (C2SP)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from ..log import KeyKind, SignedCheckpoint
from ..log.published import LogKeys

VERIFIER = Path(__file__).with_name("evidence_verifier.py")
PAGE = Path(__file__).with_name("evidence_verifier.html")
VERIFIERS = (VERIFIER, PAGE)

README = """Evidence of events in an event store: the events, and the proof that a signed log holds them. Nothing here needs the console.

KEY below stands for the log's key, such as cim+1a2b3c4d+AV..., as you noted it yourself or were told by another way than this file; give
--vkey once more for each witness whose word you want. The keys in the file itself prove no more than that the file is whole.

Fetch evidence_verifier.py or evidence_verifier.html once, by another way than this file, and keep it. Those that lie in the file come from
whoever made it, and a forger puts in ones that find his file intact.

Was the log's key changed after this file was made, then KEY may be the newest one all the same: give the note of each change, as the log
serves it under /log/vkeys/2 and on, as well: with --change NOTE.txt once for each, or in the field for them in the browser. Each note is
signed by both keys, says what the older one signed last, and so leads back to it.

1. In a browser
   Open your evidence_verifier.html from disk, choose the file, enter KEY. It uses no network.

2. With Python
   $ pip install blake3 cryptography
   $ python3 evidence_verifier.py FILE.car --vkey 'KEY' --extract evidence
   It ends with status 0 and says what is proved, or with 1 and what is wrong. The folder evidence then has what the file holds.

3. By hand, with tools that know nothing of this format
   Each block's name is its BLAKE3 hash:
   $ cd evidence && b3sum --check --quiet blocks.b3
   The same without b3sum:
   $ cd evidence && python3 -c "from blake3 import blake3 as b; from glob import glob; \
print(all(b(open(p, 'rb').read()).hexdigest() == p[7:] for p in glob('blocks/*')))"
   The log's key signed the text of the checkpoint (origin, number of leaves, root):
   $ cd evidence && openssl pkeyutl -verify -pubin -inkey signatures/log1.pem -rawin -in signatures/log1.text -sigfile signatures/log1.sig
   $ cat evidence/signatures/log1.text
   Each witness whose key you gave signed the same text behind a line with the time: signatures/log1-witness1.pem, .text and .sig. What
   log1 is for the events, log2 is for the operator trail, where that is in the file; of a longer one its newest 20,000 events are, and
   the verifiers say how many are not.

4. With any client of C2SP transparency logs
   files/*.tlog-proof proves the first and the last event by itself, under files/*.policy. A leaf has 44 bytes: the sequence in 8, the
   first byte the greatest, then the event's CID in 36 (01 71 1e 20 and the BLAKE3 hash); the index is the sequence less one.

Who made this file, when and why stands in it, and is not signed.
"""


def file_name(stream: str, what: str) -> str:
    """The name of a file about the log of this stream."""
    return f"{re.sub('[^A-Za-z0-9_-]', '_', stream).lstrip('_-') or 'log'}.{what}"


def policy_of(keys: LogKeys, stream: str, signed: SignedCheckpoint) -> str:
    """The policy that a checkpoint meets: which keys sign it, or have signed it, and which witnesses have seen it."""
    names = {key.vkey: f"w{number}" for number, key in enumerate(keys.witnesses, 1)}
    counting = [*keys.signing(stream), *(one.key for one in signed.signatures)]
    lines = [f"log {key.vkey}" for key in keys.of(stream) if key.kind is KeyKind.LOG and key in counting]
    lines += [f"witness {name} {vkey}" for vkey, name in names.items()]
    members = [names[one.key.vkey] for one in signed.witnesses]
    lines += [f"group seen all {' '.join(members)}", "quorum seen"] if members else ["quorum none"]
    return "\n".join(["# Compare these keys with those that you noted; https://c2sp.org/tlog-policy says how this is read.", *lines, ""])


def proof_text(index: int, hashes: Sequence[bytes], note: str) -> str:
    """That the leaf at `index` is in the tree of this checkpoint, as https://c2sp.org/tlog-proof has it."""
    return "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *(b64encode(one).decode() for one in hashes), "", note])
