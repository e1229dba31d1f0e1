"""Building the image, once, when a person asks for it; finding it afterwards. Nothing here runs at serve time but
find_image."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from glob import glob

import msgspec

from kelpie.errors import EnvironmentFault
from kelpie.sandbox.microvm.image import packages
from kelpie.sandbox.microvm.image.cpio import Archive
from kelpie.sandbox.microvm.image.kernel import elf_of
from umi.dst import Host
from umi.dst.threads import in_thread

BUILD_COMMAND = "kelpie sandbox build-image"
KERNEL_FILE, SYSTEM_FILE, MANIFEST_FILE, CURRENT_FILE = "vmlinux", "system.cpio", "manifest.json", "current"
_RECIPE = 1  # counts up when the same packages shall give another image

# How the agent is reached: in QEMU by the port of a virtual console, in Firecracker by vsock.
MODULES = ("virtio_mmio", "virtio_console", "vmw_vsock_virtio_transport")
_DEPENDS = re.compile(rb"\0depends=([a-z0-9_,-]*)\0")
_LIBRARIES = ("lib/x86_64-linux-gnu", "lib64", "usr/lib/x86_64-linux-gnu")
_NO_LIBRARIES = ("gconv", "ossl-modules", "engines-3", "audit", "perl-base")
_NO_PYTHON = ("test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip", "pydoc_data", "turtledemo", "distutils")

Progress = Callable[[str], None]


class Image(msgspec.Struct, frozen=True):
    """An image that was built.

    key       names its content: which packages, by which recipe
    python    "3.11", the version inside
    packages  "name version sha256" of each
    sha256    of each file, by name
    folder    where the files lie
    """

    key: str
    python: str
    packages: list[str]
    sha256: dict[str, str]
    folder: str = ""

    def read(self, name: str) -> bytes:
        """A file of the image. Raises EnvironmentFault if it isn't what was built."""
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                content = file.read()
        except OSError as error:
            raise EnvironmentFault(f"the guest image can't be read: {error}; {BUILD_COMMAND} makes it anew") from None
        if hashlib.sha256(content).hexdigest() != self.sha256[name]:
            raise EnvironmentFault(f"{name} of the guest image was changed; {BUILD_COMMAND} makes it anew")
        return content


def find_image(folder: str) -> Image | None:
    """The image that was built last into `folder`, or None; reads a few lines and asks nobody."""
    try:
        with open(os.path.join(folder, CURRENT_FILE), encoding="ascii") as file:
            key = os.path.basename(file.read().strip())
        return _read_manifest(os.path.join(folder, key))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


async def build_image(folder: str, host: Host, progress: Progress = lambda _: None) -> Image:
    """Build the image of today's packages into `folder` unless it is there, and make it the current one.

    progress  gets a line for each thing that happens
    Takes about 30 MB of download, 20 s and 200 MB of disk, of which half stays. What is broken off leaves nothing
    behind. Raises EnvironmentFault with the reason.
    """
    await in_thread(os.makedirs, folder, 0o755, True)
    staging = await in_thread(tempfile.mkdtemp, "", ".partial-", folder)
    try:
        progress("asking apt for packages")
        wanted = await packages.wanted(host, staging)
        key = _key(wanted)
        target = os.path.join(folder, key)
        if await in_thread(_complete, target):
            progress(f"{target} is there already")
        else:
            progress(f"fetching {len(wanted)} packages")
            await packages.fetch(host, wanted, staging)
            await _make(host, wanted, key, staging, progress)
            await in_thread(_move, os.path.join(staging, key), target)
        await in_thread(_make_current, folder, key)
    finally:
        await in_thread(shutil.rmtree, staging, True)
    image = await in_thread(find_image, folder)
    if image is None:
        raise EnvironmentFault(f"{folder} can't be read back")
    progress(f"{target} is ready")
    return image


def _key(wanted: list[packages.Package]) -> str:
    recipe = f"{_RECIPE} {MODULES} {_LIBRARIES} {_NO_LIBRARIES} {_NO_PYTHON}"
    return hashlib.sha256("\n".join([recipe, *map(str, wanted)]).encode()).hexdigest()[:16]


async def _make(host: Host, wanted: list[packages.Package], key: str, staging: str, progress: Progress) -> None:
    root, made = os.path.join(staging, "root"), os.path.join(staging, key)
    os.mkdir(made, 0o755)
    progress("unpacking them")
    for package in wanted:
        await packages.unpack(host, package, staging, root)
    compressed, kernel_release = await in_thread(_kernel_in, root)

    async def unpack(tool: str, packed: bytes) -> bytes:
        return await packages.run(host, tool, "-dc", given=packed, lenient=True)

    progress("unpacking the kernel")
    kernel = await elf_of(compressed, unpack)
    progress("compiling Python's library")
    python = _python_in(root)
    await in_thread(_prune, root, python)
    await _compile(host, root, python)
    applets = (await packages.run(host, os.path.join(root, "bin/busybox"), "--list")).decode().split()
    progress("writing the root file system")
    sums = await in_thread(_write, made, root, kernel, kernel_release, python, applets)
    manifest = Image(key, python, list(map(str, wanted)), sums)
    await in_thread(_write_file, os.path.join(made, MANIFEST_FILE), msgspec.json.encode(manifest))


def _kernel_in(root: str) -> tuple[bytes, str]:
    found = glob(os.path.join(root, "boot", "vmlinuz-*"))
    if len(found) != 1:
        raise EnvironmentFault(f"the package of the guest's kernel holds {len(found)} kernels")
    with open(found[0], "rb") as file:
        return file.read(), os.path.basename(found[0]).removeprefix("vmlinuz-")


def _python_in(root: str) -> str:
    found = [path for path in glob(os.path.join(root, "usr/lib/python3.*")) if os.path.exists(f"{path}/os.py")]
    if len(found) != 1:
        raise EnvironmentFault(f"the packages hold {len(found)} versions of Python; one was expected")
    return os.path.basename(found[0]).removeprefix("python")


async def _compile(host: Host, root: str, python: str) -> None:
    """Byte code beside the guest's library, by the guest's own Python: an emulated processor is slow at compiling.

    It runs here by its own loader and libraries, without root.
    """
    loader = await in_thread(_loader, root)
    await packages.run(
        host,
        *("/usr/bin/env", "-i", f"PYTHONHOME={root}/usr", loader),
        *("--library-path", ":".join(os.path.join(root, folder) for folder in _LIBRARIES)),
        *(os.path.join(root, f"usr/bin/python{python}"), "-S", "-B", "-m", "compileall", "-q"),
        *(
            "-s",
            root,
            "-p",
            "/",
            "--invalidation-mode",
            "unchecked-hash",
            os.path.join(root, f"usr/lib/python{python}"),
        ),
    )


def _loader(root: str) -> str:
    loader = os.path.join(root, "lib64/ld-linux-x86-64.so.2")
    if os.path.islink(loader):  # its target is absolute, in the guest
        return os.path.join(root, os.readlink(loader).lstrip("/"))
    return loader


def _write(made: str, root: str, kernel: bytes, kernel_release: str, python: str, applets: list[str]) -> dict[str, str]:
    """The image's two files, and their hashes."""
    library = f"usr/lib/python{python}"
    with open(os.path.join(made, SYSTEM_FILE), "xb") as file:
        archive = Archive(file)
        for folder in ("/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/usr/lib"):  # noqa: S108 - the guest's
            archive.folder(folder)
        for folder in (*_LIBRARIES, library):
            archive.tree(os.path.join(root, folder), f"/{folder}")
        archive.file("/usr/bin/python3", _bytes(os.path.join(root, "usr/bin", f"python{python}")), 0o755)
        archive.link(f"/usr/bin/python{python}", "python3")
        archive.file("/bin/busybox", _bytes(os.path.join(root, "bin/busybox")), 0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            archive.link(f"/bin/{applet}", "busybox")
        for number, module in enumerate(_modules(os.path.join(root, "lib/modules", kernel_release, "kernel"))):
            archive.file(f"/lib/modules/{number:02}.ko", module)
        archive.close()
    _write_file(os.path.join(made, KERNEL_FILE), kernel)
    return {name: hashlib.sha256(_bytes(os.path.join(made, name))).hexdigest() for name in (KERNEL_FILE, SYSTEM_FILE)}


def _modules(folder: str) -> list[bytes]:
    """MODULES with all they depend on, in the order in which they can be loaded; one the kernel has built in is no
    file."""
    files = {os.path.basename(path)[:-3].replace("-", "_"): path for path in glob(f"{folder}/**/*.ko", recursive=True)}
    loaded: dict[str, bytes] = {}

    def load(name: str) -> None:
        if name in loaded or name not in files:
            return
        content = _bytes(files[name])
        found = _DEPENDS.search(content)
        for needed in found[1].decode().split(",") if found else []:
            load(needed.replace("-", "_"))
        loaded[name] = content

    for name in MODULES:
        load(name)
    return list(loaded.values())


def _prune(root: str, python: str) -> None:
    """What no tool has a use for is memory that every virtual machine would carry."""
    for folder in (os.path.join(root, part) for part in _LIBRARIES):
        for name in _NO_LIBRARIES:
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    for name in (*_NO_PYTHON, "config-*"):
        for path in glob(os.path.join(root, f"usr/lib/python{python}", "**", name), recursive=True):
            shutil.rmtree(path, ignore_errors=True)


def _read_manifest(target: str) -> Image | None:
    with open(os.path.join(target, MANIFEST_FILE), "rb") as file:
        image = msgspec.json.decode(file.read(), type=Image)
    if not all(os.path.isfile(os.path.join(target, name)) for name in (KERNEL_FILE, SYSTEM_FILE)):
        return None
    return msgspec.structs.replace(image, folder=target)


def _complete(target: str) -> bool:
    """Every byte is what was built."""
    try:
        image = _read_manifest(target)
        return image is not None and all(image.read(name) for name in (KERNEL_FILE, SYSTEM_FILE))
    except (OSError, EnvironmentFault, msgspec.MsgspecError):
        return False


def _move(made: str, target: str) -> None:
    shutil.rmtree(target, ignore_errors=True)  # damaged: else it would not be built again
    os.rename(made, target)


def _make_current(folder: str, key: str) -> None:
    """In one move; older images go, of which a running server holds what it needs."""
    temporary = os.path.join(folder, f".{CURRENT_FILE}-{key}")
    _write_file(temporary, key.encode(), "wb")
    os.replace(temporary, os.path.join(folder, CURRENT_FILE))
    for manifest in glob(os.path.join(folder, "*", MANIFEST_FILE)):
        if os.path.basename(os.path.dirname(manifest)) != key:
            shutil.rmtree(os.path.dirname(manifest), ignore_errors=True)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write_file(path: str, content: bytes, mode: str = "xb") -> None:
    with open(path, mode) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
