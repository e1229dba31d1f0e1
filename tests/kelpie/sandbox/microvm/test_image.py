"""The image: archives that a kernel unpacks, a kernel out of its packing, packages as apt names them."""

import gzip
import io
import lzma
import os
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import EnvironmentFault, LimitExceeded
from kelpie.sandbox import limits
from kelpie.sandbox.microvm import build_image, guest, session
from kelpie.sandbox.microvm.image import find_image, overlay, packages
from kelpie.sandbox.microvm.image.build import CURRENT_FILE, KERNEL_FILE, SYSTEM_FILE
from kelpie.sandbox.microvm.image.cpio import Archive
from kelpie.sandbox.microvm.image.kernel import elf_of
from umi.dst import Host

ELF = b"\x7fELF" + bytes(1_000)


def entries(archive):
    """{path: (mode, content)} as the format is documented, up to the end."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        assert fields[2:4] == [0, 0]  # everything is root's
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[start : start + size])
        at = (start + size + 3) & ~3


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


@given(st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=50), max_size=8))
def test_what_goes_into_an_archive_comes_out(files):
    file = io.BytesIO()
    archive = Archive(file)
    for name, content in files.items():
        archive.file(f"/a/b/{name}", content)
    archive.link("/l", "a/b")
    archive.close()
    found = entries(file.getvalue())
    assert {path: content for path, (_, content) in found.items() if path.startswith("a/b/")} == {
        f"a/b/{name}": content for name, content in files.items()
    }
    assert found["l"][1] == b"a/b"
    assert list(found)[: 2 if files else 0] == (["a", "a/b"] if files else [])


def test_a_tree_is_archived_with_links_as_links_and_no_sockets(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "program").write_bytes(b"run")
    (tmp_path / "folder" / "program").chmod(0o755)
    (tmp_path / "link").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "pipe")
    file = io.BytesIO()
    archive = Archive(file)
    archive.tree(str(tmp_path), "/run/layer")
    archive.close()
    found = entries(file.getvalue())
    assert found["run/layer/folder/program"] == (0o100755, b"run")
    assert found["run/layer/link"] == (0o120777, b"/etc/shadow")  # the guest's own
    assert "run/layer/pipe" not in found


def packed(payload):
    """A kernel's file: set-up code, then the payload that its header points to."""
    head = bytearray(1_024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    head[0x248:0x250] = struct.pack("<II", 16, len(payload))
    return bytes(head) + bytes(16) + payload + b"rest"


async def nobody(_tool, _payload):
    raise AssertionError("no program is needed for this")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
async def test_a_kernel_is_unpacked_by_what_packed_it(pack):
    assert await elf_of(packed(pack(ELF)), nobody) == ELF


async def test_a_kernel_packed_by_lz4_is_unpacked_by_its_program():
    asked = []

    async def unpack(tool, payload):
        asked.append((tool, payload[:4]))
        return ELF

    assert await elf_of(packed(b"\x02\x21\x4c\x18" + bytes(20)), unpack) == ELF
    assert asked == [("lz4", b"\x02\x21\x4c\x18")]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"short", "no file that Linux could be started from"),
        (packed(b"BZh" + bytes(20)), "packed in a way we don't know"),
        (packed(gzip.compress(b"no elf")), "is no ELF file"),
    ],
)
async def test_what_is_no_kernel_is_refused(file, says):
    with pytest.raises(EnvironmentFault, match=says):
        await elf_of(file, nobody)


async def test_an_image_that_is_there_is_not_built_again(image_folder):
    said = []
    image = await build_image(image_folder, Host(), said.append)
    assert said[-2:] == [f"{image.folder} is there already", f"{image.folder} is ready"]
    assert find_image(image_folder) == image
    assert any(line.startswith("linux-image-") for line in image.packages)
    assert not [name for name in os.listdir(image_folder) if name.startswith(".partial")]


async def test_a_changed_image_is_not_started(image_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "image")
    image = find_image(str(tmp_path / "image"))
    with open(os.path.join(image.folder, KERNEL_FILE), "r+b") as file:  # noqa: ASYNC230
        file.write(b"changed")
    with pytest.raises(EnvironmentFault, match="was changed"):
        image.read(KERNEL_FILE)
    assert image.read(SYSTEM_FILE)


def test_what_is_no_image_is_none(tmp_path):
    assert find_image(str(tmp_path)) is None
    (tmp_path / CURRENT_FILE).write_text("../../etc")
    assert find_image(str(tmp_path)) is None


async def test_a_machine_without_apt_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="needs Debian's apt-get"):
        await build_image(str(tmp_path / "image"), Host())
    assert os.listdir(tmp_path / "image") == []


async def test_packages_are_what_apts_lists_promise(tmp_path, monkeypatch):
    package = packages.Package("thing", "1", "0" * 64, "thing_1_amd64.deb")

    async def fetched(*_command, **_rest):
        (tmp_path / package.file).write_bytes(b"something else")
        return b""

    monkeypatch.setattr(packages, "run", fetched)
    with pytest.raises(EnvironmentFault, match="isn't what apt's lists promise"):
        await packages.fetch(Host(), [package], str(tmp_path))


async def test_a_program_that_fails_is_quoted(host):
    with pytest.raises(EnvironmentFault, match="sh -c failed: the reason"):
        await packages.run(Host(), "sh", "-c", "echo the reason >&2; exit 1")
    with pytest.raises(EnvironmentFault, match="needs nothing-like-that"):
        await packages.run(Host(), "nothing-like-that")


def test_the_overlay_holds_our_code_and_no_layer_too_large(tmp_path, monkeypatch):
    found = entries(overlay(session.setup()))
    assert found["init"][0] == 0o100755
    assert {"usr/lib/kelpie/agent.py", "usr/lib/kelpie/runner.py", "usr/lib/kelpie/setup.json"} <= set(found)
    (tmp_path / "large").write_bytes(bytes(100))
    assert "run/layer/large" in entries(overlay(session.setup(), str(tmp_path)))
    monkeypatch.setattr(limits, "MICROVM_LAYER_BYTES_MAX", 99)
    with pytest.raises(LimitExceeded):
        overlay(session.setup(), str(tmp_path))


def test_the_first_program_is_a_shell_script_without_mistakes():
    subprocess.run(["/bin/sh", "-n", os.path.join(guest.__path__[0], "init.sh")], check=True)
