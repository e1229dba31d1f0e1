"""Reader: the text of a file, whatever somebody put into it.

A listed subprocess adapter. Documents are read by libraries in a process of their own, one a document: a thread can't
be stopped, and what fills the memory of a process of its own fills nobody else's. The libraries are plain Python over
plain bytes, so a hostile file can waste time and memory, both bounded, and needs no jail to keep it from the machine.
"""

import asyncio
import signal
import sys

from kelpie.errors import UnreadableFile
from kelpie.files import limits
from kelpie.files.kinds import JSON, TEXT
from kelpie.files.reading.plain import decoded
from umi.dst import Host
from umi.dst.threads import in_thread

_CHILD = "kelpie.files.reading.child"
_PIECE_BYTES = 1 << 18


class Reader:
    """`wall_ms` is how long one document may take by the clock."""

    def __init__(self, host: Host, *, wall_ms: int = limits.READING_WALL_MS_MAX) -> None:
        self._host = host
        self._wall_ms = wall_ms

    async def read(self, kind: str, content: bytes) -> str:
        """Raises UnreadableFile, saying why."""
        text = await in_thread(decoded, content, kind) if kind in (TEXT, JSON) else None
        if text is None:
            text = await self._in_child(kind, content)
        if len(text) > limits.FILE_TEXT_CHARS_MAX:
            raise UnreadableFile(
                f"it holds {len(text):,} characters of text; at most {limits.FILE_TEXT_CHARS_MAX:,} are read"
            )
        return text

    async def _in_child(self, kind: str, content: bytes) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", _CHILD, kind),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with self._host.clock.timeout(self._wall_ms):
                answer = await _exchange(process, content)
                status = await process.wait()
        except TimeoutError:
            raise UnreadableFile(f"reading it took longer than {self._wall_ms / 1000:,.0f} s") from None
        finally:
            if process.returncode is None:  # cancelled, too slow, or it writes without end
                process.kill()
                await process.wait()
        if answer[:1] == b"T" and status == 0:
            return answer[1:].decode()
        if answer[:1] == b"E" and status == 0:
            raise UnreadableFile(answer[1:].decode("utf-8", "replace"))
        if status in (-signal.SIGXCPU, -signal.SIGKILL):
            raise UnreadableFile(f"reading it took more than {limits.READING_CPU_S_MAX} s of computing, or was killed")
        raise UnreadableFile(f"it made its reader fail (exit status {status})")


async def _exchange(process: asyncio.subprocess.Process, content: bytes) -> bytes:
    """Everything in, then everything out, up to what a text may take."""
    assert process.stdin is not None, "it was started with pipes"
    assert process.stdout is not None, "it was started with pipes"
    try:
        process.stdin.write(content)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended before it had read everything; its status says more
    process.stdin.close()
    answer = bytearray()
    while piece := await process.stdout.read(_PIECE_BYTES):
        answer += piece
        if len(answer) > limits.READING_ANSWER_BYTES_MAX:
            process.kill()
            break
    return bytes(answer)
