"""The kernel as an ELF file, out of the compressed one that Debian ships: what a microVM starts without a boot loader.

The layout of the compressed file is the kernel's Documentation/arch/x86/boot.rst.
"""

import lzma
import struct
import zlib
from collections.abc import Awaitable, Callable

from kelpie.errors import EnvironmentFault

_SETUP_SECTORS_AT = 0x1F1
_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_PAYLOAD_AT = 0x248  # offset and length of the compressed kernel, from the end of the set-up code
_SECTOR_BYTES = 512
_ELF = b"\x7fELF"
_TOOLS = {b"\x02\x21\x4c\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}

# (program, what it reads) -> what it wrote
Unpack = Callable[[str, bytes], Awaitable[bytes]]


async def elf_of(compressed: bytes, unpack: Unpack) -> bytes:
    """The ELF file in a bzImage. Raises EnvironmentFault if it isn't one, or is packed in a way we can't read."""
    payload = _payload(compressed)
    tool = _TOOLS.get(payload[:4])
    if tool is not None:
        # The length of the kernel follows the packed data. lz4 takes it for more of them and complains at the end.
        elf = await unpack(tool, payload)
    elif payload[:2] == b"\x1f\x8b":
        elf = zlib.decompressobj(wbits=31).decompress(payload)
    elif payload[:6] == b"\xfd7zXZ\0":
        elf = lzma.LZMADecompressor().decompress(payload)
    else:
        raise EnvironmentFault(f"the guest's kernel is packed in a way we don't know (it begins with {payload[:6]!r})")
    if not elf.startswith(_ELF):
        raise EnvironmentFault("what was packed as the guest's kernel is no ELF file")
    return elf


def _payload(compressed: bytes) -> bytes:
    if compressed[_MAGIC_AT : _MAGIC_AT + 4] != _MAGIC or len(compressed) < _PAYLOAD_AT + 8:
        raise EnvironmentFault("the guest's kernel is no file that Linux could be started from")
    offset, length = struct.unpack_from("<II", compressed, _PAYLOAD_AT)
    start = (compressed[_SETUP_SECTORS_AT] + 1) * _SECTOR_BYTES + offset
    return compressed[start : start + length]
