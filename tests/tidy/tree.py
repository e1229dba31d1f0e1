"""The source tree as data: modules, what they import, and every text file. Parsed once, read by every rule."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("umi", "kelpie")
CODE_FOLDERS = ("src", "tests", "benchmarks", "examples")
# What git ignores or owns: nothing in it is ours to judge.
SKIPPED_FOLDERS = {".git", ".venv", "__pycache__", "build", "dist", "kelpie-data", "node_modules"}
TEXT_NAMES = {"Makefile", "LICENSE", "run"}
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".json",
    ".jsonl",
    ".sql",
    ".csv",
    ".html",
    ".js",
    ".css",
    ".sh",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong, where it is, and what to do about it."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Import:
    line: int
    target: str  # the module of ours that is imported
    lazy: bool  # inside a function or under `if TYPE_CHECKING`


class Module:
    """A Python file. `name` is dotted for the packages under src and empty for everything else."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.ast = ast.parse(self.text, filename=self.path)
        self.is_package = path.name == "__init__.py"
        parts = path.relative_to(root).with_suffix("").parts
        inside = parts[1:-1] if self.is_package else parts[1:]
        self.name = ".".join(inside) if parts[0] == "src" else ""

    @property
    def line_count(self) -> int:
        return self.text.count("\n")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.ast))

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Local name -> dotted name, for everything imported anywhere in the file."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{self.absolute(node)}.{alias.name}"
        return found

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module a `from … import` names, with leading dots resolved."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        above = package[: len(package) - (node.level - 1)]
        return ".".join([*above, *([node.module] if node.module else [])])

    def dotted(self, node: ast.AST) -> str | None:
        """The full name an expression refers to: `time.sleep`, `builtins.print`, or `?.create_task` for an attribute
        of something that isn't an import."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id) or f"builtins.{node.id}"
        if isinstance(node, ast.Attribute):
            chain = [node.attr]
            inner = node.value
            while isinstance(inner, ast.Attribute):
                chain.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in self.aliases:
                return ".".join([self.aliases[inner.id], *reversed(chain)])
            return f"?.{node.attr}"
        return None


class Tree:
    """A repository: its modules by name, all its Python files, its text files, and the rules' data."""

    def __init__(self, root: Path = ROOT, rules: Path | None = None) -> None:
        self.root = root
        rules = rules or root / "tests" / "tidy"
        self.floors: dict[str, Any] = tomllib.loads((rules / "floors.toml").read_text(encoding="utf-8"))
        self.bans: dict[str, Any] = tomllib.loads((rules / "bans.toml").read_text(encoding="utf-8"))
        self.allowed: dict[str, Any] = tomllib.loads((rules / "allowed.toml").read_text(encoding="utf-8"))
        self.files = sorted(_walk(root))
        inside = [(path, path.relative_to(root).parts) for path in self.files if path.suffix == ".py"]
        self.python = [Module(root, path) for path, parts in inside if parts[0] in CODE_FOLDERS]
        self.modules = {module.name: module for module in self.python if module.name}

    @cached_property
    def texts(self) -> dict[str, str]:
        wanted = [p for p in self.files if p.suffix in TEXT_SUFFIXES or p.name in TEXT_NAMES]
        return {p.relative_to(self.root).as_posix(): p.read_text(encoding="utf-8") for p in wanted}

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Every import of one of our modules by another, lazy ones included."""
        return {
            name: sorted(set(self._imports_of(module)), key=lambda i: i.line) for name, module in self.modules.items()
        }

    def _imports_of(self, module: Module) -> Iterator[Import]:
        top = {id(node) for node in module.ast.body}
        for node in module.nodes:
            line = getattr(node, "lineno", 0)
            for target in self._targets(module, node):
                if target != module.name:
                    yield Import(line, target, id(node) not in top)

    def _targets(self, module: Module, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [t for alias in node.names if (t := self._known(alias.name))]
        if isinstance(node, ast.ImportFrom):
            base = module.absolute(node)
            return [t for alias in node.names if (t := self._known(f"{base}.{alias.name}") or self._known(base))]
        # importlib.import_module("kelpie.analyst") is an import as well.
        if isinstance(node, ast.Call) and module.dotted(node.func) == "importlib.import_module" and node.args:
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            return [t] if isinstance(name, str) and (t := self._known(name)) else []
        return []

    def _known(self, name: str) -> str | None:
        return name if name in self.modules else None


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            if (
                path.name not in SKIPPED_FOLDERS
                and not path.name.endswith((".egg-info", "_cache"))
                and path.name != ".hypothesis"
            ):
                yield from _walk(path)
        else:
            yield path
