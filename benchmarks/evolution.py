"""Does memory end the facts that ended, and no others? A generated world whose truth is known.

    python -m benchmarks.evolution [--facts 2400] [--seed 7]

People move, change employers, make and lose friends; several sources tell of it late, twice, wrongly and corrected,
as triples and as sentences. Four figures, each against the world or against a replay that shares no code with umi:

    precision   of the facts that memory ended by itself, how many had ended
    recall      of the facts that had ended and whose end was told, how many memory ended
    as_of       (valid, known) questions answered with exactly the facts a replay of the log believes
    undo        changes after whose undo everything known equals what was known before
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.entity import Fact
from umi.storage import Page

DAY_MS = 86_400_000
START_MS = 1_500_000_000_000
ONE = ("works_at", "located_in", "role", "phone", "favourite_colour")
MANY = ("knows", "prefers", "speaks")
PEOPLE = (
    "Ada Bela Chidi Dunya Emre Farah Goran Hana Ivo Jing Kofi Lena Milan Noor Otto Priya Quinn Rosa Sami Tova".split()
)
FAMILIES = """Abara Bianchi Castro Demir Eriksen Fischer Garcia Haddad Ito Jansen Kowalski Lindqvist Moreau Novak Okafor
Petrov Quiroga Rossi Silva Tanaka Urban Varga Weber Yilmaz Zhang""".split()
SENTENCES = {"works_at": "{subject} works at {value}.", "located_in": "{subject} lives in {value}."}
PLACES = "Porto Bergen Nairobi Kyoto Quito Riga Tunis Cork Ghent Lima Oslo Perth".split()
FIRMS = "Initech Globex Hooli Umbrella Vandelay Contoso Fabrikam Northwind Tyrell Cyberdyne Aperture Wonka".split()


@dataclass(slots=True)
class Told:
    """One message to memory, and what the world knows of it."""

    subject: str
    attribute: str
    value: str
    from_ms: int
    negated: bool = False
    sentence: str | None = None
    source: str = "crm"
    ended: bool = False  # it is not true any more at the end, and something else that is told says so
    ids: list[str] = field(default_factory=list)
    read: bool = True  # memory found the claim in it; a sentence that it didn't understand ends nothing, nor is ended
    known_ms: int = 0


def world(rng: random.Random, wanted: int) -> list[Told]:
    """Messages in the order they arrive."""
    told: list[Told] = []
    number = 0
    while len(told) < wanted:
        number += 1
        subject = f"{PEOPLE[number % len(PEOPLE)]} {FAMILIES[number // len(PEOPLE) % len(FAMILIES)]}"
        for attribute in rng.sample(ONE, 3):
            told += _single(rng, subject, attribute)
        told += _many(rng, subject, rng.choice(MANY))
    rng.shuffle(told)  # late, early and in any order
    return told


def _value(rng: random.Random, attribute: str, unlike: str) -> str:
    while True:
        if attribute == "works_at":
            value = rng.choice(FIRMS)
        elif attribute == "located_in":
            value = rng.choice(PLACES)
        else:
            value = f"{attribute} {rng.randint(1, 40)}"
        if value != unlike:
            return value


def _single(rng: random.Random, subject: str, attribute: str) -> Iterator[Told]:
    """What is told of an attribute that has one value at a time."""
    at_ms, value = START_MS + rng.randint(0, 400) * DAY_MS, ""
    changes = rng.randint(1, 4)
    for number in range(changes):
        value = _value(rng, attribute, value)
        ended = number < changes - 1
        for source in rng.sample(("crm", "mail", "chat"), rng.randint(1, 2)):  # the second one confirms
            sentence = None
            if attribute in SENTENCES and source == "chat":
                sentence = SENTENCES[attribute].format(subject=subject, value=value)
            yield Told(subject, attribute, value, at_ms, sentence=sentence, source=source, ended=ended)
        at_ms += rng.randint(30, 500) * DAY_MS
    if rng.random() < 0.15:
        yield Told(subject, attribute, value, at_ms, negated=True)  # "no longer", and nothing new
        # Everything that said so has ended; the caller marks it.


def _many(rng: random.Random, subject: str, attribute: str) -> Iterator[Told]:
    """What is told of an attribute that has many values: a new one ends none, a denial ends its own."""
    for value in rng.sample([f"{attribute} {n}" for n in range(12)], rng.randint(2, 4)):
        at_ms = START_MS + rng.randint(0, 900) * DAY_MS
        denied = rng.random() < 0.25
        yield Told(subject, attribute, value, at_ms, ended=denied)
        if denied:
            yield Told(subject, attribute, value, at_ms + rng.randint(1, 300) * DAY_MS, negated=True)


def mark_denied(told: Sequence[Told]) -> None:
    """What a later denial ended."""
    for denial in (one for one in told if one.negated):
        for one in told:
            same = (one.subject, one.attribute, one.value) == (denial.subject, denial.attribute, denial.value)
            if same and not one.negated and one.from_ms <= denial.from_ms:
                one.ended = True


async def tell(memory: Memory, told: Sequence[Told], clock: ManualClock) -> list[str]:
    """Tell memory, a day apart; returns the ids of the changes."""
    changes = []
    for one in told:
        clock.advance(DAY_MS)
        one.known_ms = clock.now_ms()
        if one.sentence is not None:
            done = await memory.remember(one.sentence, event_time=one.from_ms, source=one.source)
        else:
            draft: dict[str, Any] = {"subject": one.subject, "attribute": one.attribute, "value": one.value}
            draft |= {"negated": one.negated, "event_time": one.from_ms, "source": one.source}
            done = await memory.add_facts([draft])
        one.ids = [fact.id for fact in done.facts]
        one.read = any(fact.claims for fact in done.facts)
        changes.append(done.change_id)
    return changes


async def everything(memory: Memory) -> list[Fact]:
    facts: list[Fact] = []
    while part := await memory.list(Page(limit=500, after=facts[-1].id if facts else None)):
        facts += part
    return facts


def replayed(told: Sequence[Told], valid_ms: int, known_ms: int) -> set[str]:
    """What must be believed: written from the rules in docs/umi.md, one claim at a time, without umi's timeline."""
    held = [one for one in told if one.ids and one.known_ms <= known_ms and one.from_ms <= valid_ms]
    about: dict[tuple[str, str], list[Told]] = {}
    for one in held:
        about.setdefault((one.subject, one.attribute), []).append(one)
    believed = set()
    for one in held:
        over = False
        for other in about[one.subject, one.attribute]:
            if other is one or not (one.read and other.read):
                continue
            if (other.from_ms, other.known_ms) <= (one.from_ms, one.known_ms):
                continue
            same = other.value == one.value
            if one.negated:
                over |= same and not other.negated
            elif other.negated:
                over |= same
            else:
                over |= not same and one.attribute in ONE
        if not over:
            believed.add(one.ids[0])
    return believed


async def check_as_of(memory: Memory, told: Sequence[Told], rng: random.Random, questions: int) -> int:
    right = 0
    for _ in range(questions):
        known_ms = rng.choice(told).known_ms
        valid_ms = START_MS + rng.randint(0, 2600) * DAY_MS
        believed = {fact.id for fact in await memory.believed(valid=valid_ms, known=known_ms)}
        right += believed == replayed(told, valid_ms, known_ms)
    return right


def state(facts: Sequence[Fact]) -> list[tuple[Any, ...]]:
    """What is known, without when it came to be known so."""
    return [(one.id, one.text, one.claims, one.valid_from_ms, one.valid_to_ms, one.tags) for one in facts]


async def check_undo(memory: Memory, rng: random.Random, clock: ManualClock, times: int) -> int:
    facts = [fact for fact in await everything(memory) if fact.claims]
    equal = 0
    for _ in range(times):
        clock.advance(DAY_MS)
        about = rng.choice(facts).claims[0]
        before = state(await everything(memory))
        done = await memory.add_facts(
            [{"subject": about.subject, "attribute": about.attribute, "value": f"other {rng.randint(1, 10**6)}"}]
        )
        changed = state(await everything(memory))
        await memory.undo(done.change_id)
        equal += changed != before and state(await everything(memory)) == before
    return equal


async def measure(facts: int, seed: int) -> dict[str, float]:
    clock = ManualClock(START_MS + 3000 * DAY_MS)
    told = world(random.Random(f"{seed} world"), facts)
    mark_denied(told)
    async with Memory(":memory:", Host(clock, Rng(seed)), scope="world", embedder=None) as memory:
        await tell(memory, told, clock)
        by_id = {one.ids[0]: one for one in told if one.ids}
        ended = {fact.id for fact in await everything(memory) if fact.valid_to_ms is not None and fact.id in by_id}
        truly = {fact_id for fact_id, one in by_id.items() if one.ended}
        positive = {fact_id for fact_id, one in by_id.items() if not one.negated}
        ended &= positive  # a denial that a later assertion answered isn't counted either way
        questions, undone = 300, 100
        return {
            "facts": float(len(by_id)),
            "sentences": float(sum(one.sentence is not None for one in told)),
            "ended by memory": float(len(ended)),
            "ended in the world": float(len(truly)),
            "precision": len(ended & truly) / len(ended),
            "recall": len(ended & truly) / len(truly),
            "as_of right": await check_as_of(memory, told, random.Random(f"{seed} questions"), questions) / questions,
            "undo equal": await check_undo(memory, random.Random(f"{seed} undo"), clock, undone) / undone,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=2_400)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    found = asyncio.run(measure(given.facts, given.seed))
    for name, value in found.items():
        print(f"{name:20s} {value:10.4f}" if value <= 1 else f"{name:20s} {value:10,.0f}")
    good = found["precision"] >= 0.97 and found["recall"] >= 0.9
    return 0 if good and found["as_of right"] == 1 and found["undo equal"] == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
