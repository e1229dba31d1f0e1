"""How much of a hand-written gold set the local extractor finds. What counts is in benchmarks/extraction/README.md.

python -m benchmarks.extraction                       both halves, totals
python -m benchmarks.extraction --half tuning --errors out.txt   every miss, for the half one may look at

`held_back.jsonl` is scored in totals only, and `--errors` refuses it: whoever works on the extractor doesn't read it.
"""

import argparse
import datetime as dt
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from umi.entity import RELATIONS, Extraction
from umi.extract import LocalExtractor

HERE = Path(__file__).parent
HALVES = ("tuning", "held_back")
TARGETS = {"entities": 0.75, "relations": 0.6}
FALSE_ON_NOTHING_MAX = 0.1
_BY_WORDS = frozenset(("task", "preference", "event", "note"))
_EMPTY_WORDS = frozenset("a an the my our your his her their".split())
_LEADING = re.compile(
    r"^(?:(?:a|an|the|my|our|your|his|her|their|dr|mr|mrs|ms|prof|professor|aunt|uncle)\.?\s+)+|['’]s$", re.IGNORECASE
)

Named = tuple[str, str]  # name, type


class Tally:
    """Found and right, found, in the gold."""

    def __init__(self) -> None:
        self.right = self.found = self.gold = 0

    def add(self, right: int, found: int, gold: int) -> None:
        self.right, self.found, self.gold = self.right + right, self.found + found, self.gold + gold

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.found + self.gold) if self.found + self.gold else 1.0

    def __str__(self) -> str:
        precision = self.right / self.found if self.found else 1.0
        recall = self.right / self.gold if self.gold else 1.0
        return f"{precision:6.3f} {recall:6.3f} {self.f1:6.3f}  ({self.right} of {self.gold}, {self.found} found)"


class Score:
    """One half's figures, and a line for each miss."""

    def __init__(self) -> None:
        self.entities, self.relations, self.dates = Tally(), Tally(), Tally()
        self.by_type: dict[str, Tally] = {}
        self.by_relation: dict[str, Tally] = {}
        self.by_kind: dict[str, tuple[Tally, Tally]] = {}
        self.sentences = self.nothing = self.false_on_nothing = self.false = 0
        self.errors: list[str] = []

    def add(self, case: dict[str, Any], answer: Extraction) -> None:
        gold = [(one["name"], one["type"]) for one in case["entities"]]
        found = [(one.name, one.type) for one in answer.mentions]
        pairs = matched(gold, found)
        kind = self.by_kind.setdefault(case["kind"], (Tally(), Tally()))
        for tally in (self.entities, kind[0]):
            tally.add(len(pairs), len(found), len(gold))
        for type_ in {type_ for _, type_ in (*gold, *found)}:
            right = sum(1 for g, _ in pairs if gold[g][1] == type_)
            tally = self.by_type.setdefault(type_, Tally())
            tally.add(right, sum(1 for _, t in found if t == type_), sum(1 for _, t in gold if t == type_))
        false = len(found) - len(pairs)
        self.sentences += 1
        self.false += false
        if case["kind"] == "nothing":
            self.nothing += 1
            self.false_on_nothing += false
        self._relations(case, answer, dict(gold), dict(found), kind[1])
        self._date(case, answer)
        got = {f for _, f in pairs}
        had = {g for g, _ in pairs}
        self._miss(case, "missed", [gold[n] for n in range(len(gold)) if n not in had])
        self._miss(case, "false", [found[n] for n in range(len(found)) if n not in got])

    def _relations(
        self,
        case: dict[str, Any],
        answer: Extraction,
        gold_types: dict[str, str],
        found_types: dict[str, str],
        kind: Tally,
    ) -> None:
        gold = [(r["subject"], r["relation"], r["object"], r.get("negated", False)) for r in case["relations"]]
        found = [(c.subject, c.attribute, c.value, c.negated) for c in answer.claims if c.attribute in RELATIONS]
        left = list(found)
        missed = []
        right: Counter[str] = Counter()
        for one in gold:
            partner = next((other for other in left if _same_relation(one, other, gold_types, found_types)), None)
            if partner is None:
                missed.append(one)
            else:
                left.remove(partner)
                right[one[1]] += 1
        for tally in (self.relations, kind):
            tally.add(right.total(), len(found), len(gold))
        for name in {one[1] for one in (*gold, *found)}:
            tally = self.by_relation.setdefault(name, Tally())
            tally.add(right[name], sum(1 for f in found if f[1] == name), sum(1 for g in gold if g[1] == name))
        self._miss(case, "missed", missed)
        self._miss(case, "false", left)

    def _date(self, case: dict[str, Any], answer: Extraction) -> None:
        if not case.get("event_date"):
            return
        day = None
        if answer.event_time_ms is not None:
            day = dt.datetime.fromtimestamp(answer.event_time_ms / 1000, dt.UTC).date().isoformat()
        self.dates.add(int(day == case["event_date"]), 1, 1)
        if day != case["event_date"]:
            self._miss(case, "date", [(case["event_date"], day)])

    def _miss(self, case: dict[str, Any], what: str, things: Iterable[object]) -> None:
        self.errors.extend(f"{case['kind']:12} {what:7} {thing}  | {case['text']}" for thing in things)


def matched(gold: list[Named], found: list[Named]) -> list[tuple[int, int]]:
    """Pairs of indices, each at most once."""
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for g, one in enumerate(gold):
        for f, other in enumerate(found):
            if f not in taken and one[1] == other[1] and same_name(one[0], other[0], one[1]):
                pairs.append((g, f))
                taken.add(f)
                break
    return pairs


def same_name(one: str, other: str, type_: str) -> bool:
    if type_ in _BY_WORDS:
        a, b = _words(one), _words(other)
        return bool(a | b) and len(a & b) / len(a | b) >= 0.5
    return _bare(one) == _bare(other)


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.lower())) - _EMPTY_WORDS


def _bare(name: str) -> str:
    return _LEADING.sub("", name.strip()).casefold()


def _same_relation(
    gold: tuple[str, str, str, bool],
    found: tuple[str, str, str, bool],
    gold_types: dict[str, str],
    found_types: dict[str, str],
) -> bool:
    if gold[1] != found[1] or gold[3] != found[3]:
        return False

    def same(one: str, other: str) -> bool:
        type_ = gold_types.get(one, "")
        return type_ == found_types.get(other, "") and same_name(one, other, type_)

    if same(gold[0], found[0]) and same(gold[2], found[2]):
        return True
    return gold[1] == "knows" and same(gold[0], found[2]) and same(gold[2], found[0])


def read(half: str) -> list[dict[str, Any]]:
    with (HERE / f"{half}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def score(cases: list[dict[str, Any]], extract: Callable[[str, int], Extraction]) -> Score:
    total = Score()
    for case in cases:
        day = dt.date.fromisoformat(case.get("document_date", "2026-06-15"))
        noon = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)
        total.add(case, extract(case["text"], int(noon.timestamp() * 1000)))
    return total


def report(half: str, total: Score, *, detail: bool) -> str:
    lines = [f"{half}: {total.sentences} texts                precision recall     F1"]
    rows: list[tuple[str, Tally]] = [
        ("entities", total.entities),
        ("relations", total.relations),
        ("dates", total.dates),
    ]
    lines += [f"  {name:28} {tally}" for name, tally in rows]
    if detail:
        lines += [f"    {name:26} {tally}" for name, tally in sorted(total.by_type.items())]
        lines += [f"    {name:26} {tally}" for name, tally in sorted(total.by_relation.items())]
        for kind, (entities, relations) in sorted(total.by_kind.items()):
            lines.append(f"    {kind:26} entities {entities.f1:5.3f}, relations {relations.f1:5.3f}")
    on_nothing = total.false_on_nothing / max(1, total.nothing)
    lines.append(
        f"  false entities a text: {on_nothing:.3f} of kind nothing, {total.false / max(1, total.sentences):.3f} in all"
    )
    return "\n".join(lines)


def speed(extract: Callable[[str, int], Extraction], cases: list[dict[str, Any]]) -> str:
    texts = [case["text"] for case in cases]
    for text in texts:
        extract(text, 0)
    started = time.process_time()
    for _ in range(5):
        for text in texts:
            extract(text, 0)
    seconds = time.process_time() - started
    characters = 5 * sum(map(len, texts))
    return (
        f"{seconds / characters * 120 * 1e6:.0f} µs of CPU for 120 characters ({5 * len(texts) / seconds:.0f} texts/s)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Score the local extractor on the gold set.")
    parser.add_argument("--half", choices=HALVES, help="only this half")
    parser.add_argument(
        "--detail", action="store_true", help="by type, relation and kind (never of the held-back half)"
    )
    parser.add_argument("--errors", type=Path, help="write every miss of the tuning half into this file")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    extractor = LocalExtractor()

    def extract(text: str, document_time_ms: int) -> Extraction:
        return extractor.extract(text, document_time_ms=document_time_ms)

    good = True
    figures: dict[str, dict[str, float]] = {}
    for half in HALVES if given.half is None else (given.half,):
        total = score(read(half), extract)
        print(report(half, total, detail=given.detail and half == "tuning"))
        if given.errors and half == "tuning":
            given.errors.write_text("\n".join(sorted(total.errors)) + "\n", encoding="utf-8")
        on_nothing = total.false_on_nothing / max(1, total.nothing)
        figures[half] = {
            "entity_f1": total.entities.f1,
            "relation_f1": total.relations.f1,
            "date_accuracy": total.dates.right / max(1, total.dates.gold),
            "false_on_nothing": on_nothing,
        }
        good = good and total.entities.f1 >= TARGETS["entities"] and total.relations.f1 >= TARGETS["relations"]
        good = good and on_nothing <= FALSE_ON_NOTHING_MAX
    print(speed(extract, read("tuning")))
    print(
        f"targets: entities {TARGETS['entities']}, relations {TARGETS['relations']}: "
        + ("reached" if good else "NOT reached")
    )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
