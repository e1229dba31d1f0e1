"""What umi finds in long conversations: evidence recall on LoCoMo, through Memory.add_facts and Memory.recall.

    python -m benchmarks.locomo --data locomo.json [--adapter lexical hybrid] [--mode pooled]

Each turn is a fact with its speaker, session and date; settings are the defaults, no language model is asked. A
question's score is the share of its evidence turns among the first ten facts. Also: how often a question gets no answer
at all, and how often one does about a subject that this memory never heard of (questions of one conversation whose
names occur nowhere in another). The data set is CC BY-NC 4.0 and no part of this repository.

`lexical` and `hybrid` are also adapters, objects with `add(scope, memories)` and `search(scope, query, k)`, for other
scripts that measure retrieval. `hybrid` needs `umi embedder get minilm`.
"""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from umi import Memory
from umi.embed import Embedder, MiniLM

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
ADVERSARIAL = 5
DEPTHS = (5, 10, 20)
_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")  # "D8:6", and the malformed "D:11:26", "D8:6; D9:17"
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+")
_NO_NAMES = frozenset(
    "January February March April May June July August September October November December Monday Tuesday Wednesday"
    " Thursday Friday Saturday Sunday".split()
)


@dataclass(slots=True)
class Turn:
    """One turn of a conversation. Other evaluators hand over objects of their own with these names."""

    id: str  # "conv-26/D1:3"
    scope: str
    speaker: str
    text: str
    when: datetime
    session: int


@dataclass(frozen=True, slots=True)
class Question:
    scope: str
    text: str
    category: int
    evidence: frozenset[str]


class Adapter:
    """A database of its own, one scope for each conversation."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(prefix="umi-locomo-")
        self._memory = Memory(str(Path(self._folder.name, "memory.db")), embedder=embedder)

    def add(self, scope: str, memories: Sequence[Turn]) -> None:
        facts = [
            {
                "text": turn.text,
                "speaker": turn.speaker,
                "session": f"{turn.scope}/{turn.session}",
                "document_time": turn.when.replace(tzinfo=UTC),
                "metadata": {"turn": turn.id},
            }
            for turn in memories
            if turn.text.strip()
        ]
        self._runner.run(self._add(scope, facts))

    async def _add(self, scope: str, facts: list[dict[str, Any]]) -> None:
        await self._memory.of(scope).add_facts(facts)
        await self._memory.embedded()

    def search(self, scope: str, query: str, k: int) -> list[str]:
        found = self._runner.run(self._memory.of(scope).recall(query, limit=k))
        return [str(one.fact.metadata["turn"]) for one in found]

    def close(self) -> None:
        self._runner.run(self._memory.close())
        self._runner.close()
        self._folder.cleanup()


def lexical() -> Adapter:
    return Adapter(None)


def hybrid() -> Adapter:
    return Adapter(MiniLM())


def load(path: str) -> tuple[dict[str, list[Turn]], list[Question]]:
    turns: dict[str, list[Turn]] = {}
    questions: list[Question] = []
    for sample in json.loads(Path(path).read_text(encoding="utf-8")):
        scope, conversation = sample["sample_id"], sample["conversation"]
        turns[scope] = [
            turn
            for key, said in conversation.items()
            if (match := re.fullmatch(r"session_(\d+)", key))
            for turn in _session(scope, int(match.group(1)), said, conversation[f"{key}_date_time"])
        ]
        known = {turn.id for turn in turns[scope]}
        for asked in sample["qa"]:
            places = {place for text in asked.get("evidence") or [] for place in _EVIDENCE.findall(text)}
            evidence = frozenset(f"{scope}/D{int(session)}:{int(turn)}" for session, turn in places) & known
            if evidence:
                questions.append(Question(scope, asked["question"], asked["category"], evidence))
    return turns, questions


def _session(scope: str, number: int, said: Sequence[dict[str, Any]], date: str) -> list[Turn]:
    when = datetime.strptime(date.strip(), "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    turns = []
    for turn in said:
        text = turn.get("text") or ""
        if turn.get("blip_caption"):
            text = f"{text} [image: {turn['blip_caption']}]"
        session, place = _EVIDENCE.findall(turn["dia_id"])[0]
        turns.append(Turn(f"{scope}/D{int(session)}:{int(place)}", scope, turn["speaker"], text.strip(), when, number))
    return turns


def measure(adapter: Adapter, turns: dict[str, list[Turn]], questions: Sequence[Question], mode: str) -> None:
    """Print the table of one adapter."""
    if mode == "pooled":
        adapter.add("all", [turn for said in turns.values() for turn in said])
    else:
        for scope, said in turns.items():
            adapter.add(scope, said)
    recall: list[dict[int, float]] = []
    empty = 0
    started = time.process_time()
    for question in questions:
        found = adapter.search("all" if mode == "pooled" else question.scope, question.text, max(DEPTHS))
        empty += not found and question.category != ADVERSARIAL
        recall.append({k: len(question.evidence & set(found[:k])) / len(question.evidence) for k in DEPTHS})
    cpu_ms = (time.process_time() - started) * 1000 / len(questions)
    usual = [one.category != ADVERSARIAL for one in questions]

    def row(name: str, chosen: Sequence[bool]) -> None:
        picked = [one for one, is_chosen in zip(recall, chosen, strict=True) if is_chosen]
        figures = "  ".join(f"@{k} {100 * statistics.fmean(one[k] for one in picked):5.1f}" for k in DEPTHS)
        print(f"  {name:28s} n={len(picked):4d}  {figures}")

    for category, name in CATEGORIES.items():
        row(name, [one.category == category for one in questions])
    row("all but adversarial", usual)
    for scope in turns:
        row(
            f"… without {scope}",
            [is_usual and one.scope != scope for is_usual, one in zip(usual, questions, strict=True)],
        )
    print(f"  questions without an answer  {empty} of {sum(usual)};  CPU {cpu_ms:.2f} ms a question")
    if mode != "pooled":
        asked, answered = _unknown(adapter, turns, questions)
        print(f"  answers on unknown subjects  {answered} of {asked}")


def _unknown(adapter: Adapter, turns: dict[str, list[Turn]], questions: Sequence[Question]) -> tuple[int, int]:
    """How many questions name only what another conversation never mentions, and how many it answers all the same."""
    words = {
        scope: set(re.findall(r"\w+", " ".join(f"{turn.speaker} {turn.text}" for turn in said).lower()))
        for scope, said in turns.items()
    }
    asked = answered = 0
    for question in questions:
        names = {name.lower() for name in _NAME.findall(question.text) if name not in _NO_NAMES}
        for scope in turns:
            if scope != question.scope and names and words[scope].isdisjoint(names):
                asked += 1
                answered += bool(adapter.search(scope, question.text, 1))
    return asked, answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="LoCoMo as JSON")
    parser.add_argument("--adapter", nargs="+", choices=("lexical", "hybrid"), default=["lexical", "hybrid"])
    parser.add_argument("--mode", choices=("per-conversation", "pooled"), default="per-conversation")
    chosen = parser.parse_args()
    turns, questions = load(chosen.data)
    for name in chosen.adapter:
        adapter = lexical() if name == "lexical" else hybrid()
        print(f"{name}, {chosen.mode}: {sum(map(len, turns.values()))} turns, {len(questions)} questions")
        measure(adapter, turns, questions, chosen.mode)
        adapter.close()


if __name__ == "__main__":
    main()
