"""Rules about form: lengths, docstrings, package maps, citations, words and names of things."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy.graph import as_markdown
from tidy.tree import Finding, Tree

FUNCTION_LINES_MAX = 60
TABLE_MARKS = ("<!-- floors -->\n", "\n<!-- /floors -->")
# A path of ours in prose or code: `docs/storage.md`, `tests/umi/dst`. A star or a placeholder ends it.
_PATH = re.compile(r"(?<![\w/.\-])((?:docs|tests|benchmarks|examples|src|\.ci)/[\w./-]*[\w/])([*<{…]?)")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_ADR = re.compile(r"docs/adr/(\d{4})-[a-z0-9-]+\.md$")
_VAGUE = re.compile(r"(Manager|Helpers?|Utils?|V\d+)$|(^|_)(manager|helpers?|utils?|v\d+)$")


def functions_are_short(tree: Tree) -> Iterator[Finding]:
    """At most 60 lines without the docstring. Old giants are listed with their length, and may only shrink."""
    listed = {(entry["file"], entry["function"]): entry["lines"] for entry in tree.allowed.get("long_function", [])}
    long: dict[tuple[str, str], int] = {}
    for module in tree.python:
        if module.path.startswith("tests/"):
            continue  # a test is one story, told from top to bottom
        for node, name in _functions(module.ast, ""):
            lines = _length(node)
            if lines > FUNCTION_LINES_MAX:
                long[module.path, name] = lines
                most = listed.get((module.path, name), FUNCTION_LINES_MAX)
                if lines > most:
                    yield Finding(module.path, node.lineno, f"{name} has {lines} lines; at most {most}: split it")
    for (path, name), lines in listed.items():
        now = long.get((path, name), 0)
        if now < lines:
            text = f"{path} {name} shrank to {now or 'the limit'} lines: lower or remove the entry"
            yield Finding("tests/tidy/allowed.toml", 1, text)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, prefix + child.name
        inner = (
            f"{prefix}{child.name}."
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            else prefix
        )
        yield from _functions(child, inner)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return lines


def modules_have_docstrings(tree: Tree) -> Iterator[Finding]:
    for module in tree.python:
        if not ast.get_docstring(module.ast):
            yield Finding(module.path, 1, "has no docstring: say in one line what it is for")


def packages_name_their_modules(tree: Tree) -> Iterator[Finding]:
    """The docstring of a package is its map: every module and package directly inside it is named there."""
    for package in tree.modules.values():
        if not package.is_package:
            continue
        words = set(re.findall(r"\w+", ast.get_docstring(package.ast) or ""))
        for name in tree.modules:
            parent, _, last = name.rpartition(".")
            if parent == package.name and last not in words and not last.startswith("__"):
                yield Finding(package.path, 1, f"the docstring doesn't name {last}")


def cited_files_exist(tree: Tree) -> Iterator[Finding]:
    """Paths of ours in sources and pages, and relative links in pages."""
    for path, text in tree.texts.items():
        if path.startswith("tests/") and not path.endswith(".md"):
            continue  # tests name files they make themselves
        for match in _PATH.finditer(text):
            cited, tail = match.group(1), match.group(2)
            wanted = cited.rpartition("/")[0] if tail else cited
            if not (tree.root / wanted).exists():
                yield Finding(path, _line(text, match.start()), f"{cited} doesn't exist")
        if path.endswith(".md"):
            for match in _LINK.finditer(text):
                link = match.group(1)
                if "://" not in link and not link.startswith("mailto:") and not _resolves(tree, path, link):
                    yield Finding(path, _line(text, match.start()), f"the link to {link} leads nowhere")


def _resolves(tree: Tree, page: str, link: str) -> bool:
    return (tree.root / PurePosixPath(page).parent / link).exists()


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def decisions_have_their_own_numbers(tree: Tree) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path in tree.texts:
        if not path.startswith("docs/adr/") or not path.endswith(".md"):
            continue
        match = _ADR.search(path)
        if match is None:
            yield Finding(path, 1, "a decision's file is named 0001-in-a-few-words.md")
        elif match.group(1) in seen:
            yield Finding(path, 1, f"the number {match.group(1)} belongs to {seen[match.group(1)]}")
        else:
            seen[match.group(1)] = path


def forbidden_words_are_absent(tree: Tree) -> Iterator[Finding]:
    entries = {(entry["file"], entry["word"]) for entry in tree.allowed.get("word", [])}
    used: set[tuple[str, str]] = set()
    for path, text in tree.texts.items():
        if path.startswith("tests/tidy/") and not path.endswith(".py"):
            continue  # the lists themselves, and what is planted
        for ban in tree.bans["word"]:
            word = ban["word"]
            found = re.search(rf"(?<![A-Za-z]){re.escape(word)}", text)
            if found is None:
                continue
            used.add((path, word))
            if (path, word) not in entries:
                yield Finding(path, _line(text, found.start()), f"'{word}' may not be written: {ban['why']}")
    for path, word in sorted(entries - used):
        yield Finding("tests/tidy/allowed.toml", 1, f"{path} doesn't say '{word}' any more: remove the entry")


def names_say_what_things_are(tree: Tree) -> Iterator[Finding]:
    for module in tree.modules.values():
        for node in module.nodes:
            if isinstance(node, ast.ClassDef) and _VAGUE.search(node.name):
                yield Finding(module.path, node.lineno, f"{node.name}: name it for what it is or does")
        if _VAGUE.search(module.name.rpartition(".")[2]):
            yield Finding(module.path, 1, f"{module.path}: name it for what it holds")


def every_module_is_reached(tree: Tree) -> Iterator[Finding]:
    """What nothing imports was built and never wired. Doors that people or the machine open are listed."""
    doors = set(tree.floors.get("doors", []))
    reached = {i.target for imports in tree.imports.values() for i in imports}
    # A module that is imported runs the packages above it.
    reached |= {".".join(name.split(".")[:n]) for name in reached | doors for n in range(1, name.count(".") + 1)}
    for name, module in tree.modules.items():
        if name not in reached and name not in doors:
            yield Finding(module.path, 1, f"nothing imports {name}: wire it, remove it, or list it as a door")
    for door in sorted(doors - set(tree.modules)):
        yield Finding("tests/tidy/floors.toml", 1, f"the door {door} doesn't exist")
    for door in sorted(doors & reached):
        if door in {i.target for imports in tree.imports.values() for i in imports}:
            yield Finding("tests/tidy/floors.toml", 1, f"{door} is imported: it needs no door")


def the_architecture_page_shows_the_floors(tree: Tree) -> Iterator[Finding]:
    page = "docs/architecture.md"
    text = tree.texts.get(page, "")
    shown = text.partition(TABLE_MARKS[0])[2].partition(TABLE_MARKS[1])[0]
    if shown.strip() != as_markdown(tree).strip():
        how = "python tests/tidy/graph.py --markdown"
        yield Finding(page, 1, f"the table of floors isn't that of floors.toml: paste the output of `{how}`")
