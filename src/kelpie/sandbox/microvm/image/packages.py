"""Debian packages for the guest: apt says which and fetches them into a folder of ours. A listed subprocess adapter.

Nothing is installed and no root is needed: apt is shown a machine without any package, so that it names everything a
Python needs, with the hashes from the signed lists.
"""

import asyncio
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from urllib.parse import unquote

from kelpie.errors import EnvironmentFault
from kelpie.sandbox import limits
from umi.dst import Host
from umi.dst.threads import in_thread

KERNEL = "linux-image-cloud-amd64"
PROGRAMS = ("python3-minimal", "libpython3-stdlib", "busybox-static")
# What those want for being installed, which they aren't.
_NOT_NEEDED = {"dpkg", "tar", "media-types", "readline-common", "libtirpc-common", "gcc-12-base", "libdb5.3"}
_LINE = re.compile(r"'[^']+' (?P<file>(?P<name>[^_ ]+)_(?P<version>[^_ ]+)_[a-z0-9]+\.deb) ")
_FIELD = re.compile(r"^(Package|Version|SHA256): (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """One package as apt's lists name it."""

    name: str
    version: str
    sha256: str
    file: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.sha256}"


async def wanted(host: Host, folder: str) -> list[Package]:
    """The packages of the image, sorted by name. Raises EnvironmentFault where there is no apt, or it knows none."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise EnvironmentFault(f"building the guest image needs Debian's {program}, which is not here")
    found = await _needed(host, folder, PROGRAMS)
    packages = [package for package in found if package.name not in _NOT_NEEDED]
    # The package we name only names the kernel of the day.
    kernels = [
        package
        for package in await _needed(host, folder, (KERNEL,))
        if package.name.startswith("linux-image-") and package.name != KERNEL
    ]
    if len(kernels) != 1:
        raise EnvironmentFault(f"apt names {len(kernels)} kernels for {KERNEL}; one was expected")
    return sorted([*packages, *kernels], key=str)


async def fetch(host: Host, packages: list[Package], folder: str) -> None:
    """Download into `folder`. Raises EnvironmentFault if one can't be fetched or isn't what the lists promise."""
    names = [f"{package.name}={package.version}" for package in packages]
    await run(host, "apt-get", "download", "-qq", *_apt(folder), *names, cwd=folder)
    for package in packages:
        sha256 = await in_thread(_sha256, os.path.join(folder, package.file))
        if sha256 != package.sha256:
            raise EnvironmentFault(f"{package.file} isn't what apt's lists promise (SHA-256 {package.sha256})")


async def unpack(host: Host, package: Package, folder: str, into: str) -> None:
    await run(host, "dpkg-deb", "-x", os.path.join(folder, package.file), into)


async def run(host: Host, *command: str, cwd: str = "/", given: bytes | None = None, lenient: bool = False) -> bytes:
    """What a program of the build wrote. `lenient` takes what it wrote for the answer whatever its exit status.

    Raises EnvironmentFault with its last line if it failed, is not there, or took too long.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise EnvironmentFault(f"building the guest image needs {command[0]}: {error.strerror}") from None
    try:
        async with host.clock.timeout(limits.MICROVM_BUILD_STEP_MS_MAX):
            wrote, complained = await process.communicate(given)
    except TimeoutError:
        raise EnvironmentFault(f"{' '.join(command[:2])} took too long; try again") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 and not lenient:
        lines = complained.decode("utf-8", "replace").strip().splitlines() or [f"exit status {process.returncode}"]
        raise EnvironmentFault(f"{' '.join(command[:2])} failed: {lines[-1]}")
    return wrote


async def _needed(host: Host, folder: str, names: tuple[str, ...]) -> list[Package]:
    apt = _apt(folder)
    try:
        listed = await run(
            host, "apt-get", "install", "--print-uris", "-qq", "-y", "--no-install-recommends", *apt, *names, cwd=folder
        )
    except EnvironmentFault as error:
        raise EnvironmentFault(f"{error} (has `apt-get update` ever been run here?)") from None
    lines = [line for line in listed.decode().splitlines() if line.startswith("'")]
    matches = [match for line in lines if (match := _LINE.match(line))]
    if not matches or len(matches) != len(lines):
        raise EnvironmentFault(f"apt names packages in a way we can't read: {lines[:1]}")
    versions = {match["name"]: (unquote(match["version"]), match["file"]) for match in matches}
    pinned = [f"{name}={version}" for name, (version, _) in versions.items()]
    hashes = _hashes((await run(host, "apt-cache", "show", *apt, *pinned, cwd=folder)).decode())
    if missing := [name for name in versions if name not in hashes]:
        raise EnvironmentFault(f"apt's lists have no SHA-256 of {', '.join(missing)}")
    return [Package(name, version, hashes[name], file) for name, (version, file) in versions.items()]


def _hashes(shown: str) -> dict[str, str]:
    """SHA-256 by name, out of what `apt-cache show` writes: one paragraph for each package."""
    paragraphs = [dict(_FIELD.findall(paragraph)) for paragraph in shown.split("\n\n")]
    return {said["Package"]: said["SHA256"] for said in paragraphs if "SHA256" in said}


def _apt(folder: str) -> list[str]:
    """apt with a state and a cache of its own in `folder`: it locks nothing, and writes nothing elsewhere."""
    settings = {
        "Dir::State::status": os.path.join(folder, "status"),
        "Dir::Cache": folder,
        "Debug::NoLocking": "1",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "",
    }
    os.makedirs(os.path.join(folder, "archives", "partial"), exist_ok=True)
    with open(settings["Dir::State::status"], "a", encoding="ascii"):
        pass
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
