"""Servers that are not what they seem: one that says nothing, and ones of a version that is too old."""

import asyncio
import contextlib
import struct


@contextlib.asynccontextmanager
async def serving(answer):
    """The port of a server on the loopback that gives each client to `answer(reader, writer)`."""
    clients = []

    async def serve(reader, writer):
        clients.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await answer(reader, writer)
        await shut(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def shut(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def silence(reader, _):
    while await reader.read(1_000):
        pass


def only_the_first(path):
    """A way to the server at a Unix socket that lets one connection through, and no other one."""
    let = []

    async def pass_on(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def answer(reader, writer):
        if let:
            await silence(reader, writer)
            return
        let.append(True)
        from_server, to_server = await asyncio.open_unix_connection(path)
        back = asyncio.get_running_loop().create_task(pass_on(from_server, writer))
        try:
            await pass_on(reader, to_server)
        finally:
            back.cancel()
            await shut(to_server)

    return answer


async def old_postgres(reader, writer):
    """No encryption, no password, version 9.6."""

    def parameter(name, value):
        body = name.encode() + b"\0" + value.encode() + b"\0"
        return b"S" + struct.pack("!i", 4 + len(body)) + body

    while True:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        (code,) = struct.unpack("!i", (await reader.readexactly(length - 4))[:4])
        if code != 80877103:  # a question whether we encrypt
            break
        writer.write(b"N")
    writer.write(b"R" + struct.pack("!ii", 8, 0) + parameter("server_version", "9.6.24"))
    writer.write(parameter("client_encoding", "UTF8") + b"K" + struct.pack("!iii", 12, 7, 7))
    writer.write(b"Z" + struct.pack("!i", 5) + b"I")
    await silence(reader, writer)


async def old_mysql(reader, writer):
    """Version 5.7: it greets, takes any password, and agrees to everything."""

    def packet(number, body):
        return len(body).to_bytes(3, "little") + bytes([number]) + body

    capabilities = 0x0000F7DF & ~0x0800  # no encryption
    greeting = (
        b"\x0a5.7.44-log\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", capabilities & 0xFFFF)
        + b"\x21\x02\x00" + struct.pack("<H", 0x000F) + bytes([21]) + b"\0" * 10 + b"123456789012\0"
        + b"mysql_native_password\0"
    )  # fmt: skip
    writer.write(packet(0, greeting))
    while True:
        head = await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(head[:3], "little"))
        writer.write(packet(head[3] + 1, b"\x00\x00\x00\x02\x00\x00\x00"))
