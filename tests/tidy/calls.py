"""Rules about names: what nobody may use, limits that nobody uses, exports that don't exist."""

import ast
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from tidy.tree import Finding, Module, Tree


def banned_names_are_not_used(tree: Tree) -> Iterator[Finding]:
    """A name in bans.toml is forbidden however it is used: called, passed as a default factory, imported by name."""
    unused = Counter({(e["file"], e["name"]): 1 for e in tree.allowed.get("name", [])})
    for module in tree.python:
        for line, name in _uses(module):
            ban = next((ban for ban in tree.bans["ban"] if _forbids(ban, module, name)), None)
            if ban is None:
                continue
            if (module.path, name) in unused:
                unused[module.path, name] = 0
            else:
                yield Finding(module.path, line, f"{name} is banned ({ban['why']}); use {ban['instead']}")
    for (path, name), stale in sorted(unused.items()):
        if stale:
            yield Finding("tests/tidy/allowed.toml", 1, f"{path} doesn't use {name} any more: remove the entry")


def _uses(module: Module) -> list[tuple[int, str]]:
    """Every dotted name the file mentions, once per line; the inner parts of a longer name don't count again."""
    inner = {id(node.value) for node in module.nodes if isinstance(node, ast.Attribute)}
    uses: set[tuple[int, str]] = set()
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            uses |= {(node.lineno, f"{module.absolute(node)}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
            name = module.dotted(node)
            if name is not None and isinstance(node.ctx, ast.Load):
                uses.add((node.lineno, name))
    return sorted(uses)


def _forbids(ban: dict[str, Any], module: Module, name: str) -> bool:
    if not any(module.path.startswith(folder) for folder in ban.get("folders", ["src/"])):
        return False
    room = module.name or module.path
    if any(room == free or room.startswith((f"{free}.", f"{free}/")) for free in ban.get("free", [])):
        return False
    return any(fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for pattern in ban["names"])


def every_limit_is_used(tree: Tree) -> Iterator[Finding]:
    """A constant in a limits.py that no other file reads bounds nothing."""
    used: set[str] = set()
    for module in tree.modules.values():
        if module.path.endswith("/limits.py"):
            continue
        for node in module.nodes:
            if isinstance(node, ast.Attribute | ast.Name) and (name := module.dotted(node)):
                used.add(name)
    for module in tree.modules.values():
        if not module.path.endswith("/limits.py"):
            continue
        for node in module.ast.body:
            for name in _assigned(node):
                if name.isupper() and f"{module.name}.{name}" not in used:
                    yield Finding(module.path, node.lineno, f"{name} is used by no other module: enforce or remove it")


def exports_exist(tree: Tree) -> Iterator[Finding]:
    """Each name in `__all__` is bound in its module, or is a key of what its module-level `__getattr__` serves."""
    for module in tree.python:
        bound: set[str] = set()
        exported: list[tuple[int, str]] = []
        for node in module.ast.body:
            bound.update(_bound(node))
            if "__all__" in _assigned(node) and isinstance(node, ast.Assign):
                exported = [(e.lineno, str(e.value)) for e in ast.walk(node.value) if isinstance(e, ast.Constant)]
                own = {id(e) for e in ast.walk(node.value)}
        if not exported:
            continue
        if "__getattr__" in bound:
            bound |= {str(n.value) for n in module.nodes if isinstance(n, ast.Constant) and id(n) not in own}
        for line, name in exported:
            if name not in bound:
                yield Finding(module.path, line, f"__all__ names {name}, which the module doesn't have")


def _bound(node: ast.stmt) -> list[str]:
    """The names a top-level statement binds, those inside `if` and `try` included."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.If | ast.Try | ast.With):
        return [name for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt) for name in _bound(inner)]
    return _assigned(node)


def _assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.AnnAssign):
        targets: list[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
    else:
        targets = []
    return [target.id for target in targets if isinstance(target, ast.Name)]
