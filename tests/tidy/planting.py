"""Small trees with a violation in them, read from the files in tests/tidy/planted.

    case <title>
    says <text of the finding>
    file <path>            the text of the file follows, indented; it replaces the clean one
    add <path>             the text is added at the end of the clean file
    swap <path> <old> => <new>

A line `60 x word` stands for sixty lines of that word.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tidy.graph import as_markdown
from tidy.shape import TABLE_MARKS
from tidy.tree import ROOT, Tree

PLANTED = ROOT / "tests" / "tidy" / "planted"
_REPEAT = re.compile(r"^( *)(\d+) x (.*)$")


@dataclass
class Case:
    title: str
    says: str = ""
    edits: list[tuple[str, str, list[str]]] = field(default_factory=list)  # (verb, path or swap, lines)

    def plant(self, folder: Path) -> Tree:
        """Write the clean tree with this case's edits into `folder`."""
        files = {"tests/tidy/bans.toml": (ROOT / "tests" / "tidy" / "bans.toml").read_text(encoding="utf-8")}
        for verb, where, lines in [*read("clean")[0].edits, *self.edits]:
            text = "".join(f"{line}\n" for line in lines)
            if verb == "swap":
                path, _, swap = where.partition(" ")
                old, _, new = swap.partition(" => ")
                assert old in files[path]
                files[path] = files[path].replace(old, new, 1)
            else:
                files[where] = files.get(where, "") + text if verb == "add" else text
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        if "docs/architecture.md" not in files:
            (folder / "docs/architecture.md").write_text(as_markdown(Tree(folder)).join(TABLE_MARKS), encoding="utf-8")
        return Tree(folder)


def read(name: str) -> list[Case]:
    """The cases of one file; the lines before the first `case` are its preface, unless they hold files."""
    cases = [Case(name)]
    for line in (PLANTED / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        verb, _, rest = line.partition(" ")
        if verb == "case":
            cases.append(Case(rest))
        elif verb == "says":
            cases[-1].says = rest
        elif verb in ("file", "add", "swap"):
            cases[-1].edits.append((verb, rest, []))
        elif line.startswith("    "):
            repeat = _REPEAT.match(line[4:])
            cases[-1].edits[-1][2].extend([repeat[1] + repeat[3]] * int(repeat[2]) if repeat else [line[4:]])
    return [case for case in cases if case.edits]
