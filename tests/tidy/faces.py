"""Writes the faces that are made from umi.Memory: umi.sync, whose methods block, and the client of `umi serve`.

    python tests/tidy/faces.py          writes them
    python tests/tidy/faces.py --check  exits 1, naming those that are not as they would be written

Each coroutine method becomes a method of the same signature and docstring. What is more than a call through is in the
templates below.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "umi"
MADE = """'''{doc}

Made from {source} by tests/tidy/faces.py: change that, not this.
'''
{noqa}
"""
NOQA = "# ruff: noqa: A002 - parameters are named as there\n"
SOURCES = {
    "Memory": ("memory/memory.py", "umi.memory.memory"),
    "Core": ("core/tier.py", "umi.core.tier"),
    "Working": ("working.py", "umi.working"),
}
# What has no place outside a process: it takes functions, or files of this machine.
NOT_REMOTE = {"export", "import_", "import_lines", "embedded"}


class Source:
    """A class of umi as its file says it."""

    def __init__(self, name):
        path, self.module = SOURCES[name]
        tree = ast.parse((SRC / path).read_text(encoding="utf-8"))
        self.name = name
        self.node = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
        self.imports = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self.imports |= {alias.asname or alias.name: (node.module, alias) for alias in node.names}
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        for made in (*classes, *(target.id for target in targets if isinstance(target, ast.Name))):
            self.imports.setdefault(made, (self.module, ast.alias(made, None)))

    def methods(self):
        """Its public coroutine methods, in their order."""
        for node in self.node.body:
            is_public = isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
            if is_public and not node.decorator_list and node.name != "close":
                yield node

    def init(self):
        return next(node for node in self.node.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")


def names_in(source):
    """Every name that a piece of code reads, in quoted annotations too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable():
            try:
                quoted = ast.parse(node.value, mode="eval")
            except SyntaxError:
                continue
            found |= {one.id for one in ast.walk(quoted) if isinstance(one, ast.Name)}
    return found


def imports_of(code, source):
    """The lines that import what `code` names, from where the source has it."""
    lines = set()
    for name in sorted(names_in(code) & set(source.imports)):
        module, alias = source.imports[name]
        rename = f" as {alias.asname}" if alias.asname else ""
        lines.add(f"from {module} import {alias.name}{rename}")
    return sorted(lines)


def passed_on(arguments):
    """The arguments of a call that passes on what a method of these parameters was given."""
    positional = [one.arg for one in arguments.args[1:]]
    return ", ".join([*positional, *(f"{one.arg}={one.arg}" for one in arguments.kwonlyargs)])


def signature(node, leave_out=()):
    """The parameters and the result, as they are written."""
    arguments = node.args
    kept = [place for place, one in enumerate(arguments.kwonlyargs) if one.arg not in leave_out]
    arguments = ast.arguments(
        posonlyargs=[],
        args=arguments.args,
        vararg=None,
        kwonlyargs=[arguments.kwonlyargs[place] for place in kept],
        kw_defaults=[arguments.kw_defaults[place] for place in kept],
        kwarg=None,
        defaults=arguments.defaults,
    )
    return arguments, ast.unparse(arguments), ast.unparse(node.returns)


def docstring(node):
    text = ast.get_docstring(node, clean=False)
    return f'        """{text}"""\n' if text else ""


SYNC = """
class {name}:
    '''As umi.{of}, for code without an event loop. See umi.sync.'''
{init}
"""
SYNC_INIT = '''
    def __init__({parameters}) -> None:
        self._settle(umi.memory.Memory({passed}), Loop(), owns_loop=True)

    def _settle(self, memory: umi.memory.Memory, loop: Loop, *, owns_loop: bool) -> None:
        self._memory, self._loop, self._owns_loop = memory, loop, owns_loop

    @classmethod
    def open(cls, store: str | Database | Archive, **settings: Any) -> Self:
        """The same, opened now: what is wrong with the file is raised here. Settings as in the class."""
        return cls(store, **settings).__enter__()

    @property
    def tenant(self) -> str:
        return self._memory.tenant

    @property
    def scope(self) -> str:
        return self._memory.scope

    def of(self, scope: str, *, tenant: str | None = None) -> "Memory":
        """The memory of another scope in the same database; it needs no closing of its own."""
        other = Memory.__new__(Memory)
        Memory._settle(other, self._memory.of(scope, tenant=tenant), self._loop, owns_loop=False)
        return other

    def __enter__(self) -> Self:
        self._loop.call(self._memory.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was begun and let go of the file, for the memories of every scope."""
        if self._owns_loop:
            self._loop.close(self._memory.close)

    @property
    def core(self) -> Core:
        """Core memory: the blocks that are always in view."""
        return Core(self._loop, self._memory.core)

    @property
    def working(self) -> Working:
        """Working memory: values by key, each with an end."""
        return Working(self._loop, self._memory.working)

    @property
    def faults(self) -> "Faults":
        """What goes wrong with the disk of a simulated memory, planned or by chance, and how often it did."""
        return self._memory.faults

    def crash(self) -> None:
        """Cut the power of a simulated memory. What was acknowledged is there when it is next used."""
        self._memory.crash()
'''
SYNC_PART_INIT = """
    def __init__(self, loop: Loop, {inner}: {module}.{name}) -> None:
        self._loop = loop
        self._{inner} = {inner}
"""


def sync_face(name):
    source = Source(name)
    inner = name.lower()
    if name == "Memory":
        _, parameters, _ = signature(ast.FunctionDef(**{**vars(source.init()), "returns": ast.Constant(None)}))
        init = SYNC_INIT.format(parameters=parameters, passed=passed_on(source.init().args))
    else:
        init = SYNC_PART_INIT.format(inner=inner, module=source.module, name=name)
    body = SYNC.format(name=name, of="Memory" if name == "Memory" else f"Memory's {name}", init=init)
    for node in source.methods():
        arguments, parameters, result = signature(node)
        taken = passed_on(arguments)
        body += f"\n    def {node.name}({parameters}) -> {result}:\n{docstring(node)}"
        body += f"        return self._loop.call(self._{inner}.{node.name}{', ' if taken else ''}{taken})\n"
    wanted = [line for line in imports_of(body, source) if "faults" not in line]
    wanted = [line for line in wanted if not line.endswith((f"import {name}", "import Core", "import Working"))]
    lines = ["import umi.memory"] if name == "Memory" else [f"import {source.module}"]
    lines += [*wanted, "from umi.sync.loop import Loop"]
    if name == "Memory":
        lines += ["from umi.sync.core import Core", "from umi.sync.working import Working"]
        lines += ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:\n    from umi.dst.faults import Faults"]
    doc = "Memory whose methods block." if name == "Memory" else f"{name} whose methods block."
    noqa = NOQA if name == "Core" else ""
    return MADE.format(doc=doc, source=source.module, noqa=noqa) + "\n".join(lines) + "\n\n" + body


REMOTE = '''
class {name}(Remote):
    """{doc}"""
'''
REMOTE_DOCS = {
    "Memory": "What umi.Memory offers, of a server: the methods that its scope's memory there has.",
    "Core": "Core memory of a server: the blocks that are always in view.",
    "Working": "Working memory of a server: values by key, each with an end.",
}


# What JSON has no word for: bytes beside texts.
REMOTE_BODIES = {
    "working_get": (
        'found: Value = await self._ask("working_get", Value, key=key)\n'
        "        return found.text if found.data is None else found.data"
    ),
    "working_entries": (
        'found: list[Entry] = await self._ask("working_entries", list[Entry])\n'
        "        return [one.told() for one in found]"
    ),
}


def remote_face(name):
    source = Source(name)
    body = REMOTE.format(name=name, doc=REMOTE_DOCS[name])
    prefix = "" if name == "Memory" else f"{name.lower()}_"
    for node in source.methods():
        if node.name in NOT_REMOTE:
            continue
        leave_out = {"count"} if name == "Core" else set()
        arguments, parameters, result = signature(node, leave_out)
        given = [one.arg for one in (*arguments.args[1:], *arguments.kwonlyargs)]
        taken = ", ".join(f"{one}={one}" for one in given)
        body += f"\n    async def {node.name}({parameters}) -> {result}:\n{docstring(node)}"
        answer = ast.unparse(_unquoted(node.returns))
        asked = f'self._ask("{prefix}{node.name}", {answer}{", " if taken else ""}{taken})'
        returned = f"answer: {answer} = await {asked}\n        return answer" if result != "None" else f"await {asked}"
        body += f"        {REMOTE_BODIES.get(f'{prefix}{node.name}', returned)}\n"
    return source, body


def _unquoted(annotation):
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def client_faces():
    doc = "The methods of a client of `umi serve`."
    text = MADE.format(doc=doc, source="umi.memory.memory, umi.core.tier and umi.working", noqa=NOQA)
    lines, bodies = {"from umi.serve.operations import Entry, Value", "from umi.serve.remote import Remote"}, ""
    for name in SOURCES:
        source, body = remote_face(name)
        bodies += body
        lines |= {line for line in imports_of(body, source) if not line.endswith((f"import {name}",))}
    return text + "\n".join(sorted(lines)) + "\n\n" + bodies


def faces():
    """Path → text of every file that is made."""
    made = {f"sync/{name.lower()}.py": sync_face(name) for name in SOURCES}
    made["serve/faces.py"] = client_faces()
    return {SRC / path: formatted(text, SRC / path) for path, text in made.items()}


def formatted(text, path):
    """As ruff leaves it."""
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--select", "I,F401", "--fix", "-q"], ["format", "-q"]):
        arguments = [*ruff, *command, "--stdin-filename", str(path), "-"]
        ran = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False, cwd=ROOT)
        if not ran.stdout:
            raise SystemExit(f"{path}: {ran.stderr}")
        text = ran.stdout
    return text


def main(arguments):
    stale = [path for path, text in faces().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: python tests/tidy/faces.py\n")
        return 1 if stale else 0
    for path, text in faces().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
