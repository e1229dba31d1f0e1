"""Imports by floors. As a script it prints the graph and fails on an upward arrow, a cycle or a file that is too long.

python tests/tidy/graph.py             the graph
python tests/tidy/graph.py --markdown  the floors as the table in docs/architecture.md
"""

import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tidy.tree import Finding, Tree

LINES_GOAL = 400
LINES_MAX = 600


class Floors:
    """The table of floors: a room is a package or module, and the longest match counts. A name without a dot (the
    facade `umi`) stands for that file alone."""

    def __init__(self, tree: Tree) -> None:
        self.table = [floor["rooms"] for floor in tree.floors["floor"]]
        self.number = {room: number for number, rooms in enumerate(self.table) for room in rooms}
        self.arrows = {(a, b) for a, b in tree.floors.get("arrows", [])}

    def room(self, module: str) -> str | None:
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in self.number and (length > 1 or name == module):
                return name
        return None

    def allows(self, room: str, other: str) -> bool:
        same = room == other or (room, other) in self.arrows
        return same or self.number[other] < self.number[room]


def imports_point_down(tree: Tree) -> Iterator[Finding]:
    floors = Floors(tree)
    for name, imports in tree.imports.items():
        room = floors.room(name)
        for found in imports:
            other = floors.room(found.target)
            if room and other and not floors.allows(room, other):
                what = (
                    f"{room} (floor {floors.number[room]}) may not import {found.target} (floor {floors.number[other]})"
                )
                yield Finding(
                    tree.modules[name].path, found.line, f"{what}: imports point down the table in floors.toml"
                )


def floors_cover_every_module(tree: Tree) -> Iterator[Finding]:
    floors = Floors(tree)
    lived_in = {floors.room(name) for name in tree.modules}
    for name, module in tree.modules.items():
        if floors.room(name) is None:
            yield Finding(module.path, 1, f"{name} stands on no floor: add its room to floors.toml")
    for room in floors.number:
        if room not in lived_in:
            yield Finding("tests/tidy/floors.toml", 1, f"{room} is not built: a room that isn't there has no floor")
    used = {(floors.room(name), floors.room(i.target)) for name, imports in tree.imports.items() for i in imports}
    for arrow in sorted(floors.arrows - used):
        yield Finding("tests/tidy/floors.toml", 1, f"the arrow {' -> '.join(arrow)} is not used any more: remove it")


def no_import_cycles(tree: Tree) -> Iterator[Finding]:
    """Lazy imports count: a cycle that is dodged inside a function is still a cycle."""
    for members in _cycles({name: sorted({i.target for i in imports}) for name, imports in tree.imports.items()}):
        yield Finding(tree.modules[members[0]].path, 1, f"import cycle: {' -> '.join([*members, members[0]])}")


def files_are_short(tree: Tree) -> Iterator[Finding]:
    for module in tree.python:
        if module.line_count > LINES_MAX:
            text = f"{module.line_count} lines; at most {LINES_MAX}: look for the second noun in it"
            yield Finding(module.path, module.line_count, text)


def _cycles(edges: dict[str, list[str]]) -> list[list[str]]:
    """The shortest cycle through the first module of each strongly connected component, in a fixed order."""
    found: list[list[str]] = []
    settled: set[str] = set()
    for start in sorted(edges):
        if start in settled:
            continue
        # Breadth first from `start` back to itself.
        came_from: dict[str, str] = {}
        queue = [start]
        while queue and start not in came_from:
            here = queue.pop(0)
            for there in edges.get(here, []):
                if there not in came_from:
                    came_from[there] = here
                    queue.append(there)
        if start in came_from:
            loop = [came_from[start]]
            while loop[-1] != start:
                loop.append(came_from[loop[-1]])
            found.append(loop[::-1])
            settled.update(loop)
    return found


def as_text(tree: Tree) -> str:
    """The graph from the top floor down: each room with its size and the rooms it stands on."""
    floors = Floors(tree)
    below: dict[str, set[str]] = {room: set() for room in floors.number}
    lines: dict[str, int] = dict.fromkeys(floors.number, 0)
    for name, imports in tree.imports.items():
        room = floors.room(name)
        if room:
            lines[room] += tree.modules[name].line_count
            below[room] |= {other for i in imports if (other := floors.room(i.target)) and other != room}
    out: list[str] = []
    for number in reversed(range(len(floors.table))):
        for room in floors.table[number]:
            stands_on = " ".join(sorted(below[room])) or "-"
            out.append(f"{number:>2}  {room:<22}{lines[room]:>6}  {stands_on}")
    long = [m for m in tree.python if m.line_count > LINES_GOAL]
    out += [f"over {LINES_GOAL} lines: {m.path} ({m.line_count})" for m in long]
    return "\n".join(out)


def as_markdown(tree: Tree) -> str:
    """The floors as a table: the text between the markers in docs/architecture.md."""
    floor_rows = enumerate(tree.floors["floor"])
    rows = [
        f"| {n} | {' '.join(f'`{room}`' for room in floor['rooms'])} | {floor['holds']} |" for n, floor in floor_rows
    ]
    arrows = ", ".join(f"`{a}` → `{b}`" for a, b in tree.floors.get("arrows", []))
    table = ["| floor | rooms | holds |", "| --- | --- | --- |", *reversed(rows)]
    return "\n".join([*table, "", f"On one floor only: {arrows}."])


def main() -> int:
    tree = Tree()
    if "--markdown" in sys.argv:
        print(as_markdown(tree))  # noqa: T201 - a script
        return 0
    print(as_text(tree))  # noqa: T201 - a script
    rules = (imports_point_down, floors_cover_every_module, no_import_cycles, files_are_short)
    findings = [finding for rule in rules for finding in rule(tree)]
    for finding in findings:
        print(finding, file=sys.stderr)  # noqa: T201 - a script
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
