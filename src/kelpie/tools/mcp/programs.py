"""A running program as a stdio server's connection sees it, whatever keeps it apart."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol


class Program(Protocol):
    """A process that lives until `close`, which kills all of it; its streams are asyncio's."""

    @property
    def stdin(self) -> asyncio.StreamWriter: ...
    @property
    def stdout(self) -> asyncio.StreamReader: ...
    @property
    def stderr(self) -> asyncio.StreamReader: ...
    async def close(self) -> None: ...


# (command and arguments, environment) -> the running program. Raises ToolUnavailable where none can be kept apart.
OpenProgram = Callable[[Sequence[str], Mapping[str, str]], Awaitable[Program]]
