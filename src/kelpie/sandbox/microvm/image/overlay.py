"""What is ours in the guest, as a second archive behind the image's: made at boot, so that an image built from
packages fits every version of our code."""

import io
import os
from types import ModuleType
from typing import Any

import msgspec

from kelpie.errors import LimitExceeded
from kelpie.sandbox import inside, limits
from kelpie.sandbox.microvm import guest
from kelpie.sandbox.microvm.image.cpio import Archive

HOME = "/usr/lib/kelpie"  # where agent and runner lie
LAYER = "/run/layer"  # where the runner looks for it
_ACCOUNTS = "root:x:0:0:root:/:/bin/false\ntool:x:61000:61000:tool:/tmp:/bin/sh\n"


def overlay(setup: dict[str, Any], layer: str = "") -> bytes:
    """The archive: first program, agent, what runs inside every sandbox, and the packages in the folder `layer`.

    setup  what the agent prepares its child with, before there is a call: environment, filter, limits

    Raises LimitExceeded for a layer that would not leave the guest enough memory.
    """
    if layer and (size := _size(layer)) > limits.MICROVM_LAYER_BYTES_MAX:
        raise LimitExceeded("a layer of packages in a virtual machine", size, limits.MICROVM_LAYER_BYTES_MAX, "bytes")
    file = io.BytesIO()
    archive = Archive(file)
    with open(os.path.join(_folder(guest), "init.sh"), "rb") as init:
        archive.file("/init", init.read(), 0o755)
    for folder in (_folder(guest), _folder(inside)):
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".py") and name != "__init__.py"):
            with open(os.path.join(folder, name), "rb") as source:
                archive.file(f"{HOME}/{name}", source.read())
    archive.file(f"{HOME}/setup.json", msgspec.json.encode(setup))
    archive.file("/etc/passwd", _ACCOUNTS.encode())
    # Drawn at its first reading, so every copy of the machine has another.
    archive.link("/etc/machine-id", "/proc/sys/kernel/random/boot_id")
    archive.file("/etc/hosts", b"127.0.0.1 localhost\n")
    if layer:
        archive.tree(layer, LAYER)
    archive.close()
    return file.getvalue()


def _folder(package: ModuleType) -> str:
    return str(package.__path__[0])


def _size(folder: str) -> int:
    return sum(os.lstat(os.path.join(path, name)).st_size for path, _, names in os.walk(folder) for name in names)
