"""This module is the verifier of evidence as one page that works from disk, made of the modules in static/js/proof and what they import.

    .venv/bin/python .ci/html_verifier.py           write it
    .venv/bin/python .ci/html_verifier.py --check   say whether it is what the modules say; the tests ask this

A module becomes a function that returns what it exports, so that names of one never meet those of another; a browser refuses modules
from disk, and takes one plain script. Scripts and styles are named by their hash in the page's own policy, which forbids all else.
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "apps" / "persistence" / "transfer" / "evidence_verifier.html"
SHELL, STYLE = Path(__file__).with_name("evidence_verifier.html"), Path(__file__).with_name("evidence_verifier.css")
ENTRY = ROOT / "static" / "js" / "proof" / "evidence-page.js"
IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
LATER = re.compile(r'import\("([^"]+)"\)')
EXPORTED = re.compile(r"^export (?=(?:async )?(?:function|const|class|let) )(?:async )?(?:function|const|class|let) (\w+)", re.MULTILINE)
LISTED = re.compile(r"^export \{([^}]*)\};?\n?", re.MULTILINE)


def main() -> int:
    page = make_page()
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    is_same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page
    print(f"{PAGE.name} is {'' if is_same else 'not '}what the modules say.")
    return 0 if is_same else 1


def make_page() -> str:
    modules: dict[Path, str] = {}
    _gather(ENTRY, modules)
    script = f'"use strict";\n{"".join(modules.values())}'
    if "</script" in script:
        raise ValueError("A module has </script in it, which would end the script of the page.")
    style = STYLE.read_text(encoding="utf-8")
    filled = {"script_hash": _hash(script), "style_hash": _hash(style), "style": style, "script": script}
    return re.sub(r"\{(script_hash|style_hash|style|script)\}", lambda found: filled[found[1]], SHELL.read_text(encoding="utf-8"))


def _gather(path: Path, modules: dict[Path, str]) -> None:
    """Add a module behind those that it imports."""
    if path in modules:
        return
    text = path.read_text(encoding="utf-8")
    needed = [found[1] for found in IMPORT.findall(text)] + LATER.findall(text)
    for name in needed:
        _gather((path.parent / name).resolve(), modules)
    modules[path] = _as_function(path, text)


def _as_function(path: Path, text: str) -> str:
    listed = [name.strip() for found in LISTED.findall(text) for name in found.split(",") if name.strip()]
    exported = [*EXPORTED.findall(text), *listed]

    def imported(found: re.Match[str]) -> str:
        return f"const {{{found[1].replace(' as ', ': ')}}} = {_name((path.parent / found[2]).resolve())};\n"

    body = IMPORT.sub(imported, text)
    body = LATER.sub(lambda found: f"Promise.resolve({_name((path.parent / found[1]).resolve())})", body)
    body = LISTED.sub("", body)
    body = re.sub(r"^export ", "", body, flags=re.MULTILINE)
    if re.search(r"^(import|export)\b", body, re.MULTILINE):
        raise ValueError(f"{path.name} imports or exports in a form that is not known here; see the expressions above.")
    return f"const {_name(path)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _name(path: Path) -> str:
    return re.sub(r"\W", "_", path.stem)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


if __name__ == "__main__":
    sys.exit(main())
