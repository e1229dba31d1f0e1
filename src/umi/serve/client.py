"""The memory of a running `umi serve`, with the methods of umi.Memory."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import msgspec

from umi.errors import InvalidInput
from umi.portable import Exported, Imported, open_file, pieces, write_file
from umi.serve import faces
from umi.serve.remote import Connection


class Client(faces.Memory):
    """One scope's memory on a server. Errors are those that the server's memory raised; see umi.errors.

    url     where `umi serve` listens: "http://127.0.0.1:8284"
    tenant  the key's own, unless given
    key     if the server asks for one

        async with Client("http://127.0.0.1:8284", scope="ada") as memory:
            await memory.remember("Ada's cat is called Miso.")
    """

    def __init__(self, url: str, *, scope: str = "default", tenant: str | None = None, key: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"a server's address begins with http:// or https://; {url[:100]!r} does not")
        super().__init__(Connection(url, key), tenant, scope)

    def of(self, scope: str, *, tenant: str | None = None) -> "Client":
        """The memory of another scope on the same server; it needs no closing of its own."""
        other = Client.__new__(Client)
        faces.Memory.__init__(other, self._connection, tenant or self._tenant, scope)
        return other

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections, for the memories of every scope."""
        await self._connection.close()

    async def export_lines(self) -> AsyncIterator[bytes]:
        """An export of the scope, in pieces. One that broke off lacks its last line, and no import takes it."""
        async for piece in self._connection.stream("GET", "export", self._where()):
            yield piece

    async def export(self, path: str) -> Exported:
        """Write all that this scope holds into a file of this machine; returns what that is.

        Raises InvalidInput where the path can't be written, EnvironmentFault if the connection broke.
        """
        return await write_file(self.export_lines(), path)

    async def import_(self, path: str) -> Imported:
        """Take in an export of umi. What other memories exported, only the process that holds the file reads."""
        taken = b""
        try:
            with open_file(path) as file:
                async for piece in self._connection.stream("POST", "import", self._where(), content=pieces(file)):
                    taken += piece
        except OSError as error:
            raise InvalidInput(f"{path} can't be read: {error.strerror or error}") from None
        return msgspec.json.decode(taken, type=Imported)

    @property
    def core(self) -> faces.Core:
        """Core memory: the blocks that are always in view."""
        return faces.Core(self._connection, self._tenant, self.scope)

    @property
    def working(self) -> faces.Working:
        """Working memory: values by key, each with an end."""
        return faces.Working(self._connection, self._tenant, self.scope)
