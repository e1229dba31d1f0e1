"""Answers for people. What has no form of its own here is shown as JSON."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from umi.archival.history import Difference, Version
from umi.cli.screen import Screen
from umi.core import Rendered
from umi.entity import Block, Entity, Fact, Recalled
from umi.hygiene import Audit
from umi.memory import Remembered
from umi.portable import Exported, Imported
from umi.promote import Promotion
from umi.serve.operations import Entry, Value

_DONE = "done"


def show(screen: Screen, answer: Any) -> None:
    if isinstance(answer, list | tuple):
        _show_list(screen, answer)
        return
    for kind, shows in _SHOWS.items():
        if isinstance(answer, kind):
            shows(screen, answer)
            return
    _json(screen, answer)


def when(moment_ms: int | None) -> str:
    """A moment as people write it, UTC; the time of day only if there is one."""
    if moment_ms is None:
        return "–"
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=moment_ms)
    return moment.strftime("%Y-%m-%d" if moment_ms % 86_400_000 == 0 else "%Y-%m-%d %H:%M")


def _json(screen: Screen, answer: Any) -> None:
    screen.line(msgspec.json.format(msgspec.json.encode(answer)).decode())


def _show_list(screen: Screen, answers: Sequence[Any]) -> None:
    if not answers:
        screen.note("nothing is known")
        return
    first = type(answers[0])
    if first in _TABLES:
        columns, row = _TABLES[first]
        screen.table(columns, [row(one) for one in answers])
    elif first is str:
        for one in answers:
            screen.line(one)
    else:
        _json(screen, answers)


def _fact_row(fact: Fact) -> list[Any]:
    until = "" if fact.valid_to_ms is None else f"until {when(fact.valid_to_ms)}"
    return [when(fact.valid_from_ms), until, fact.text, fact.id]


def _recalled_row(one: Recalled) -> list[Any]:
    return [one.score, when(one.fact.valid_from_ms), one.fact.speaker or "", one.fact.text, one.fact.id]


def _version_row(one: Version) -> list[Any]:
    why = one.why
    said = " · ".join(part for part in (why.actor, why.reason) if part)
    return [when(one.fact.known_from_ms), why.action, one.fact.version, one.fact.text, said, why.change_id or ""]


def _difference_row(one: Difference) -> list[Any]:
    return [one.kind, one.before.text if one.before else "", one.after.text if one.after else ""]


def _entity_row(one: Entity) -> list[Any]:
    return [one.name, one.type, one.mentions, when(one.last_seen_ms), one.summary]


def _block_row(one: Block) -> list[Any]:
    return [one.label, one.type or "", one.importance, one.value]


def _entry_row(one: Entry) -> list[Any]:
    return [one.key, when(one.expires_ms), one.text if one.data is None else f"{len(one.data)} bytes"]


_TABLES: dict[type, tuple[list[str], Callable[[Any], list[Any]]]] = {
    Recalled: (["score", "when", "who", "what", "id"], _recalled_row),
    Fact: (["since", "", "what", "id"], _fact_row),
    Version: (["known from", "action", "version", "what", "why", "change"], _version_row),
    Difference: (["", "before", "after"], _difference_row),
    Entity: (["name", "type", "mentions", "last seen", "what"], _entity_row),
    Block: (["block", "type", "importance", "what"], _block_row),
    Entry: (["key", "until", "value"], _entry_row),
}


def _remembered(screen: Screen, answer: Remembered) -> None:
    for fact in answer.facts:
        screen.good(f"{fact.text}  ({fact.id})")
    for fact in answer.known:
        screen.note(f"known already: {fact.text}  ({fact.id})")
    for fact in answer.superseded:
        screen.note(f"no longer so: {fact.text}  ({fact.id})")
    if answer.mentions:
        screen.note("names: " + ", ".join(dict.fromkeys(f"{one.name} ({one.type})" for one in answer.mentions)))
    if answer.facts:
        screen.note(f"take it back: umi undo {answer.change_id}")
    elif not answer.known:
        screen.note("nothing in it was worth keeping")


def _fact(screen: Screen, fact: Fact) -> None:
    screen.line(fact.text)
    told = {
        "id": fact.id,
        "said by": fact.speaker,
        "true from": when(fact.valid_from_ms),
        "true until": None if fact.valid_to_ms is None else when(fact.valid_to_ms),
        "said at": None if fact.document_time_ms is None else when(fact.document_time_ms),
        "known from": when(fact.known_from_ms),
        "version": fact.version if fact.version > 1 else None,
        "importance": fact.importance,
        "tags": ", ".join(fact.tags) or None,
        "source": msgspec.json.encode(fact.source).decode() if fact.source else None,
        "metadata": msgspec.json.encode(fact.metadata).decode() if fact.metadata else None,
        "says": "; ".join(f"{one.subject} {one.attribute} {one.value}" for one in fact.claims) or None,
    }
    screen.table(["", ""], [[name, value] for name, value in told.items() if value is not None])


def _promotion(screen: Screen, answer: Promotion) -> None:
    for what, placed in (("promoted", answer.promoted), ("taken out", answer.evicted), ("kept", answer.kept)):
        screen.note(f"{what}: {len(placed)}")


def _value(screen: Screen, answer: Value) -> None:
    if answer.data is not None:
        screen.line(answer.data.hex())
    elif answer.text is not None:
        screen.line(answer.text)
    else:
        screen.note("nothing is there; it may have expired")


def _counts(screen: Screen, answer: Exported | Imported) -> None:
    counts = [
        (name, value) for name, value in msgspec.structs.asdict(answer).items() if isinstance(value, int) and value
    ]
    screen.good(", ".join(f"{name}: {value:,}" for name, value in counts) or "nothing was there")


_SHOWS: dict[type, Callable[[Screen, Any], None]] = {
    Remembered: _remembered,
    Fact: _fact,
    Promotion: _promotion,
    Value: _value,
    Exported: _counts,
    Imported: _counts,
    Audit: lambda screen, answer: screen.line(answer.render()),
    Rendered: lambda screen, answer: screen.line(answer.text),
    Block: lambda screen, answer: screen.line(answer.value),
    bool: lambda screen, answer: screen.good("yes") if answer else screen.bad("no"),
    str: lambda screen, answer: screen.line(answer),
    int: lambda screen, answer: screen.line(str(answer)),
    float: lambda screen, answer: screen.line(f"{answer:.4f}"),
    type(None): lambda screen, _: screen.good(_DONE),
}
