"""node on this machine, and the driver that it runs inside."""

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_VERSION = re.compile(r"v([0-9]+)\.([0-9]+)\.([0-9]+)")
_DRIVER = os.path.join(os.path.dirname(__file__), "driver.cjs")
_BOUND_ANYWAY = ("/usr/", "/bin/", "/lib")


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """What a level needs to run JavaScript.

    program  node's path
    version  (major, minor, patch)
    reads    paths to bind read-only at the same place, beyond /usr
    name     the driver's file name inside; its ending says which kind of module it is
    driver   its text: started with the number of a descriptor that speaks frames (inside/frames.py), it finds the
             order as JSON on its standard input, and leaves one report
    """

    program: str
    version: tuple[int, int, int]
    reads: tuple[str, ...]
    name: str
    driver: str = field(repr=False)

    def command(self, memory_bytes: int) -> list[str]:
        """The words before the driver's path. The heap is bounded here, what lies beside it by the level."""
        heap_mib = max(limits.NODE_HEAP_MIB_MIN, (memory_bytes - limits.NODE_BESIDE_HEAP_BYTES) >> 20)
        return [self.program, f"--max-old-space-size={heap_mib}"]

    def address_space_bytes(self, memory_bytes: int) -> int:
        """For RLIMIT_AS: node reserves far more addresses than it ever touches, and dies at its start without them."""
        return memory_bytes + limits.NODE_ADDRESSES_BYTES


def node_program() -> NodeProgram:
    """Node of this machine. Raises ToolUnavailable that says what is missing."""
    program = shutil.which("node", path=_SYSTEM_PATH)
    if program is None:
        raise ToolUnavailable("JavaScript and TypeScript need node, which was not found: install it (Debian: nodejs)")
    return _known(os.path.realpath(program))


@functools.cache
def _known(program: str) -> NodeProgram:
    version = _version(program)
    if version[0] < limits.NODE_MAJOR_MIN:
        found = ".".join(map(str, version))
        raise ToolUnavailable(f"JavaScript and TypeScript need node {limits.NODE_MAJOR_MIN} or newer; this is {found}")
    reads = () if program.startswith(_BOUND_ANYWAY) else (os.path.dirname(os.path.dirname(program)),)
    with open(_DRIVER, encoding="utf-8") as driver:
        return NodeProgram(program, version, reads, os.path.basename(_DRIVER), driver.read())


def _version(program: str) -> tuple[int, int, int]:
    try:
        said = subprocess.run(  # noqa: S603 - the system's node, with nothing of ours
            [program, "--version"],
            env={},
            capture_output=True,
            text=True,
            timeout=limits.NODE_VERSION_MS_MAX / 1000,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolUnavailable(f"{program} --version does not run: {type(error).__name__}") from None
    found = _VERSION.match(said)
    if found is None:
        raise ToolUnavailable(f"{program} --version says {said[:40]!r}, which is no version of node")
    return int(found[1]), int(found[2]), int(found[3])
