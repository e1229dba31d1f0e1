"""What is said of an entity, in one line, from facts that are true and known now."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from umi import limits
from umi.archival.keys import name_key
from umi.entity import Claim
from umi.promote.candidate import Candidate
from umi.storage import Row, View

_claims = msgspec.json.Decoder(list[Claim])
_COLUMNS = (
    f"f.id, f.version, substr(f.text, 1, {limits.PROMOTION_LINE_BYTES_MAX}),"
    f" CASE WHEN length(f.claims) <= {limits.PROMOTION_CLAIMS_CHARS_MAX} THEN f.claims ELSE '[]' END"
)
_LIVE = "f.tenant = ? AND f.scope = ? AND f.known_to_ms IS NULL AND (f.valid_to_ms IS NULL OR f.valid_to_ms > ?)"
# Mentions first, and then their facts: left to itself, SQLite may go through all facts of the scope.
_ABOUT = f"SELECT m.entity_seq, {_COLUMNS} FROM mention m CROSS JOIN fact f WHERE f.seq = m.fact_seq AND {_LIVE}"
# An entity that is named all the time is looked up alone, so that only the newest of its facts are read.
_NAMED_OFTEN = 2 * limits.PROMOTION_LINE_FACTS_MAX
_ONE = f"SELECT {_COLUMNS} FROM fact f WHERE {_LIVE} AND f.id = ?"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Statement(msgspec.Struct, frozen=True):
    """One line, and the facts it stands on: their ids, each with the version that was read."""

    line: str
    facts: dict[str, int]


class _Known(msgspec.Struct, frozen=True):
    id: str
    version: int
    text: str
    claims: list[Claim]


async def statements(
    view: View, tenant: str, scope: str, candidates: Sequence[Candidate], now_ms: int
) -> dict[str, Statement]:
    """By the id of the entity; one of which no fact says anything any more has none."""
    seldom = [one for one in candidates if one.mentions <= _NAMED_OFTEN]
    often = [one for one in candidates if one.mentions > _NAMED_OFTEN]
    owner = (tenant, scope, now_ms)
    queries: list[tuple[str, tuple[Any, ...]]] = []
    if seldom:
        which = f"m.entity_seq IN ({', '.join('?' * len(seldom))}) ORDER BY m.entity_seq, m.fact_seq DESC"
        queries.append((f"{_ABOUT} AND {which}", (*owner, *(one.seq for one in seldom))))
    for one in often:
        which, newest = "m.entity_seq = ? ORDER BY m.fact_seq DESC LIMIT ?", limits.PROMOTION_LINE_FACTS_MAX
        queries.append((f"{_ABOUT} AND {which}", (*owner, one.seq, newest)))
        queries.append((_ONE, (*owner, one.summary_fact)))
    rows = await view.all(*queries) if queries else []
    facts: dict[int, list[_Known]] = {}
    if seldom:
        for seq, *fact in rows.pop(0):
            facts.setdefault(seq, []).append(_known(tuple(fact)))
    about = {seq: {fact.id: fact for fact in some} for seq, some in facts.items()}
    for number, one in enumerate(often):
        facts[one.seq] = [_known(row[1:]) for row in rows[2 * number]]
        about[one.seq] = {fact.id: fact for fact in map(_known, rows[2 * number + 1])}
    found: dict[str, Statement] = {}
    for one in candidates:
        if facts.get(one.seq):
            newest_facts = facts[one.seq][: limits.PROMOTION_LINE_FACTS_MAX]
            said = _statement(one, newest_facts, about[one.seq].get(one.summary_fact or ""), now_ms)
            if said.line:
                found[one.id] = said
    return found


def _known(row: Row) -> _Known:
    return _Known(row[0], row[1], row[2], _claims.decode(row[3]))


def _statement(entity: Candidate, facts: Sequence[_Known], about: _Known | None, now_ms: int) -> Statement:
    parts: list[str] = []
    used: dict[str, int] = {}
    if about is not None and entity.summary.strip() and not _has_ended(entity.summary, about.claims, now_ms):
        parts.append(entity.summary)
        used[about.id] = about.version
    for fact, claim in _current(entity.key, facts, now_ms)[: limits.PROMOTION_LINE_CLAIMS_MAX]:
        if not _names(" ".join(parts), claim.value):
            parts.append(f"{claim.attribute.replace('_', ' ')} {claim.value}")
            used[fact.id] = fact.version
    if not parts:
        parts.append(facts[0].text)
        used[facts[0].id] = facts[0].version
    said = _one_line("; ".join(part.strip().rstrip(".;") for part in parts))
    name = _one_line(entity.name)
    line = said if _names(said, name) or entity.key == "self" else f"{name}: {said}"
    return Statement(line if entity.is_self else _cut(line), used)


def _current(key: str, facts: Sequence[_Known], now_ms: int) -> list[tuple[_Known, Claim]]:
    """What the facts claim of the entity and still holds, the newest first."""
    return [
        (fact, claim)
        for fact in facts
        for claim in fact.claims
        if name_key(claim.subject) == key and not claim.negated and not _ended(claim, now_ms)
    ]


def _has_ended(summary: str, claims: Sequence[Claim], now_ms: int) -> bool:
    """Whether the summary says something that the fact it is from said and that is over: a fact of two claims is true
    as long as one of them is."""
    return any(_ended(claim, now_ms) and _names(summary, claim.value) for claim in claims)


def _ended(claim: Claim, now_ms: int) -> bool:
    return claim.ended_ms is not None and claim.ended_ms <= now_ms


def _names(text: str, name: str) -> bool:
    """Whether `name` stands in the text as a word of its own."""
    text, name = text.casefold(), name.casefold()
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not (_is_word(text[at - 1 : at]) and _is_word(name[:1])) and not (
            _is_word(text[end : end + 1]) and _is_word(name[-1:])
        ):
            return True
        at = text.find(name, at + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _cut(line: str) -> str:
    encoded = line.encode()
    if len(encoded) <= limits.PROMOTION_LINE_BYTES_MAX:
        return line
    end = "…"
    return encoded[: limits.PROMOTION_LINE_BYTES_MAX - len(end.encode())].decode(errors="ignore") + end
