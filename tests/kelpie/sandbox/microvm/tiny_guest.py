"""The bytes of tiny_guest.S, as an ELF file that Firecracker starts in 64-bit mode."""

import struct

CODE = bytes.fromhex(
    "488d354e000000e83c00000066bafd03eca80174f766baf803ec3c71741c3c78741d3c0a75e6488d352f000000e81600"
    "0000fe0526000000ebd2b0fee664f40f011d1b0000000f0b66baf803ac84c07403eeebf4c352454144590a006f6b310a"
    "0000000000000000000000"
)
ADDRESS = 0x100_0000
_HEADER_BYTES, _SEGMENT_BYTES, _PAGE_BYTES = 64, 56, 4096


def elf():
    """One segment with everything in it, loaded at ADDRESS and entered at its first byte."""
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    sizes = (_HEADER_BYTES, _SEGMENT_BYTES, 1, 0, 0, 0)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, ADDRESS, _HEADER_BYTES, 0, 0, *sizes)
    size = len(CODE)
    segment = struct.pack("<IIQQQQQQ", 1, 7, _PAGE_BYTES, ADDRESS, ADDRESS, size, size, _PAGE_BYTES)
    return (header + segment).ljust(_PAGE_BYTES, b"\0") + CODE
