"""all-MiniLM-L6-v2 in this process: 384 dimensions, no torch, no network, one thread.

Loading takes 60 ms of CPU and 95 MB of memory and happens at the first use. A text costs about as much CPU as it has
tokens, so texts run one at a time, in a thread: the event loop goes on meanwhile.
"""

import asyncio
import hashlib
import importlib.util
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from umi import limits
from umi.dst.threads import in_thread
from umi.embed.embedder import default_folder
from umi.embed.minilm_graph import DIMENSIONS, TOKENS_MAX
from umi.entity import check_text
from umi.errors import EnvironmentFault, NotFound

if TYPE_CHECKING:  # loaded at the first use
    import numpy as np

# A graph or a quantisation whose vectors differ from this one's gets another name.
NAME = "minilm-8bit-1"
MODEL_FILE, TOKENIZER_FILE, MANIFEST_FILE = "model.onnx", "tokenizer.json", "manifest.json"
_GET = "run `umi embedder get minilm`"


class Manifest(msgspec.Struct, frozen=True):
    """What lies in an embedder's folder; `files` gives each one's SHA-256. Written last."""

    embedder: str
    files: dict[str, str]
    made_from: dict[str, str]


def folder_of(folder: str) -> str:
    """Where MiniLM is, or would be, below the folder of all embedders."""
    return os.path.join(folder, NAME)


def installed(folder: str | None = None) -> bool:
    """Whether `folder` (this user's, if none is given) holds MiniLM's files. Their content is checked on loading."""
    manifest = _manifest(folder_of(folder or default_folder()))
    return manifest is not None and all(
        os.path.exists(os.path.join(folder_of(folder or default_folder()), name)) for name in manifest.files
    )


def can_run() -> bool:
    """Whether the extra `minilm` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "tokenizers", "numpy"))


class MiniLM:
    """An Embedder. Words after the first 256 tokens of a text don't count.

    Raises NotFound at once if the files aren't in `folder` (this user's, if none is given), and EnvironmentFault if the
    extra isn't installed or, at the first use, if a file is damaged.
    """

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder_of(folder or default_folder())
        if not can_run():
            raise EnvironmentFault("MiniLM needs an extra: pip install 'kelpie[minilm]'")
        if not installed(folder):
            raise NotFound(f"there is no MiniLM in {self._folder}: {_GET}")
        self._session: Any = None
        self._tokenizer: Any = None
        self._loading = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<MiniLM {self._folder}>"

    @property
    def loaded(self) -> bool:
        return self._session is not None

    async def embed(self, texts: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Raises InvalidInput for what is no text, EnvironmentFault for damaged files."""
        for text in texts:
            check_text("the text to embed", text)
        await self.load()
        return await in_thread(self._embed, list(texts))

    async def load(self) -> None:
        """Load now rather than at the first use. Raises EnvironmentFault for damaged files."""
        async with self._loading:
            if self._session is None:
                self._tokenizer, self._session = await in_thread(_loaded, self._folder)

    def _embed(self, texts: list[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """On a thread; both libraries allow several at once."""
        import numpy as np

        rows = np.empty((len(texts), DIMENSIONS), np.float32)
        for place, text in enumerate(texts):
            ids = self._tokenizer.encode(text[: limits.MINILM_TEXT_CHARS_MAX]).ids
            rows[place] = self._session.run(None, {"ids": np.array(ids, np.int64)})[0]
        return rows


@lru_cache(maxsize=1)  # every memory of this process shares the 95 MB
def _loaded(folder: str) -> tuple[Any, Any]:
    import onnxruntime
    from tokenizers import Tokenizer

    manifest = _manifest(folder)
    intact = manifest is not None and all(_sum(os.path.join(folder, name)) == at for name, at in manifest.files.items())
    if not intact:
        raise EnvironmentFault(f"MiniLM's files in {folder} are damaged; remove that folder and {_GET}")
    tokenizer = Tokenizer.from_file(os.path.join(folder, TOKENIZER_FILE))
    tokenizer.no_padding()  # as shipped it fills every text up to 128 tokens, four times the work
    tokenizer.enable_truncation(TOKENS_MAX)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    path = os.path.join(folder, MODEL_FILE)
    return tokenizer, onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _manifest(folder: str) -> Manifest | None:
    try:
        with open(os.path.join(folder, MANIFEST_FILE), "rb") as file:
            manifest = msgspec.json.decode(file.read(limits.MINILM_MANIFEST_BYTES_MAX), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeError):
        return None
    known = {MODEL_FILE, TOKENIZER_FILE}
    return manifest if manifest.embedder == NAME and known <= manifest.files.keys() else None


def _sum(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
