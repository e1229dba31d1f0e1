"""stdio servers in the jail of the level "process": no network, no files but what an operator shares, an empty /tmp."""

import os
from collections.abc import Mapping, Sequence

from kelpie.errors import ToolUnavailable
from kelpie.sandbox.process import ProcessLevel
from kelpie.sandbox.process.program import Program, open_program
from kelpie.sandbox.sandbox import SandboxLimits
from kelpie.tools.mcp import limits

_LIMITS = SandboxLimits(
    cpu_ms=limits.MCP_PROGRAM_CPU_MS_MAX,
    memory_bytes=limits.MCP_PROGRAM_MEMORY_BYTES_MAX,
    processes=limits.MCP_PROGRAM_PROCESSES_MAX,
    open_files=limits.MCP_PROGRAM_OPEN_FILES_MAX,
)


class Jail:
    """Callable, as stdio.OpenProgram.

    folders  what every such server may read, at the same place: the operator's word. Nobody else can add to them
    """

    def __init__(self, level: ProcessLevel, folders: Sequence[str] = ()) -> None:
        self._level, self._folders = level, [os.path.abspath(folder) for folder in folders]

    async def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> Program:
        """Raises ToolUnavailable where there is no such level, or a folder of the operator's can't be shared."""
        self._check_folders()
        return await open_program(self._level, command, environment=environment, reads=self._folders, limits=_LIMITS)

    def _check_folders(self) -> None:
        missing = [folder for folder in self._folders if not os.path.exists(folder)]
        if missing:
            raise ToolUnavailable(f"the folder {missing[0]} that MCP servers may read (KELPIE_MCP_FOLDERS) isn't there")
