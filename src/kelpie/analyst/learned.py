"""Questions with the SQL that a person confirmed or corrected: asked again, the SQL is used word for word.

A learned query runs like any SQL: through the guard, under the access of the one who asks. It is what a person vouched
for, so an answer from it is labelled so; SQL that was changed is no longer it.

Whose it is. Confirmed where conventions of a person or team had a part, or corrected by a person, it holds for that
person alone; otherwise for everybody who asks the semantic model. A person's own goes before everybody's.

A question whose time moves ("last month") and whose SQL names days means other days once the data have moved on: such
a query is not used any more, rather than answered with the days of then.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst.catalog import Catalog, CatalogVerified
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.errors import InvalidInput, LimitExceeded, NotFound
from kelpie.people.speaker import Speaker
from kelpie.tools.tool import ToolContext
from umi.dst import Host
from umi.storage import Changes, View

_COLUMNS = (
    "tenant, id, semantic_model_id, asked, question, sql, metric_query, kind, holds_for, verified_by, data_last,"
    " run_id, created_at_ms"
)
_INSERT = f"INSERT INTO verified_query ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_OF_MODEL = (
    f"SELECT {_COLUMNS} FROM verified_query WHERE tenant = ? AND semantic_model_id = ? ORDER BY created_at_ms, rowid"
)
_ALL = f"SELECT {_COLUMNS} FROM verified_query WHERE tenant = ? ORDER BY created_at_ms, rowid"
_DELETE = "DELETE FROM verified_query WHERE tenant = ? AND id = ?"
_REPLACE = (
    "DELETE FROM verified_query WHERE tenant = ? AND semantic_model_id = ? AND asked = ? AND holds_for = ?"
    " AND verified_by = ?"
)
_FORGET_MODEL = "DELETE FROM verified_query WHERE tenant = ? AND semantic_model_id = ?"

_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")
# With one of these a question's time moves, whatever year it names besides.
_MOVING = frozenset(
    "last this current previous past next now today yesterday ago recent latest since date far ytd mtd qtd".split()
)


class LearnedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """asked        the question's words in one spelling (`normalised`)
    sql          before any access rule; `metric_query` what it was compiled from, None if a person wrote it
    holds_for    a speaker's key, "" for everybody
    verified_by  a person's name, "" for nobody in particular
    data_last    the last day of the data when it was learned, "" if unknown
    """

    tenant: str
    id: str
    semantic_model_id: str
    asked: str
    question: str
    sql: str
    metric_query: dict[str, Any] | None
    kind: Literal["confirmed", "corrected"]
    holds_for: str
    verified_by: str
    data_last: str
    run_id: str
    created_at_ms: int

    def is_of_its_days(self, data_last: str) -> bool:
        """Whether its SQL still means what the question does: it names no days, or the question names its year and
        nothing that moves, or the data are as far as they were."""
        is_fixed = _YEAR.search(self.question) is not None and not _MOVING & set(self.asked.split())
        return not _DATE.search(self.sql) or is_fixed or self.data_last == data_last


def last_day(catalog: Catalog) -> str:
    """The last day of the data on any axis, "" if nothing is dated."""
    return max((axis.last for axis in catalog.times), default="")


def normalised(question: str) -> str:
    """The question in one spelling: case, marks at its ends and between words, and widths of characters don't count."""
    plain = unicodedata.normalize("NFKC", question).casefold().replace("’", "'")
    return " ".join(_WORD.findall(plain))


def new_learned(
    host: Host,
    tenant: str,
    semantic_model_id: str,
    *,
    question: str,
    sql: str,
    metric_query: dict[str, Any] | None,
    kind: Literal["confirmed", "corrected"],
    holds_for: str,
    verified_by: str,
    data_last: str,
    run_id: str,
) -> LearnedQuery:
    """Raises InvalidInput for a question without a word."""
    asked = normalised(question)
    if not asked:
        raise InvalidInput("a question of no words can't be learned")
    return LearnedQuery(
        tenant=tenant,
        id=host.ids.new("verified"),
        semantic_model_id=semantic_model_id,
        asked=asked,
        question=question.strip(),
        sql=sql,
        metric_query=metric_query,
        kind=kind,
        holds_for=holds_for,
        verified_by=verified_by,
        data_last=data_last,
        run_id=run_id,
        created_at_ms=host.clock.now_ms(),
    )


def plan_learn(one: LearnedQuery) -> Changes:
    """Keep it, in the place of what the same person said before of the same question."""
    metric_query = None if one.metric_query is None else msgspec.json.encode(one.metric_query).decode()
    changes = Changes().write(_REPLACE, one.tenant, one.semantic_model_id, one.asked, one.holds_for, one.verified_by)
    return changes.write(
        _INSERT,
        one.tenant,
        one.id,
        one.semantic_model_id,
        one.asked,
        one.question,
        one.sql,
        metric_query,
        one.kind,
        one.holds_for,
        one.verified_by,
        one.data_last,
        one.run_id,
        one.created_at_ms,
    )


def plan_unlearn(tenant: str, learned_id: str) -> Changes:
    """Guard "learned": it was there."""
    return Changes().guard("learned", _DELETE, tenant, learned_id)


def plan_forget_holder(tenant: str, key: str) -> Changes:
    """A speaker who is removed takes along what means something for them alone."""
    return Changes().write("DELETE FROM verified_query WHERE tenant = ? AND holds_for = ?", tenant, key)


def plan_forget_model(tenant: str, semantic_model_id: str) -> Changes:
    """A model that is deleted takes along what was learned of it."""
    return Changes().write(_FORGET_MODEL, tenant, semantic_model_id)


async def list_all(view: View, tenant: str) -> list[LearnedQuery]:
    """Everything a tenant learned, the oldest first."""
    return [_from_row(row) for row in await view.fetch(_ALL, tenant)]


async def learned_for(
    view: View, tenant: str, semantic_model_id: str, speaker: Speaker, data_last: str = ""
) -> list[LearnedQuery]:
    """What holds for `speaker` now; of a question that they and everybody learned, their own.

    data_last  the last day of the data now
    """
    found = [_from_row(row) for row in await view.fetch(_OF_MODEL, tenant, semantic_model_id)]
    held = [one for one in found if one.holds_for in ("", speaker.key) and one.is_of_its_days(data_last)]
    own = {one.asked for one in held if one.holds_for}
    return [one for one in held if one.holds_for or one.asked not in own]


def as_catalog(learned: Sequence[LearnedQuery]) -> list[CatalogVerified]:
    """As a catalog tells of them, by names that `run_verified` takes. Questions of one SQL are one entry."""
    return [CatalogVerified(name=name, questions=[one.question for one in alike]) for name, alike in _entries(learned)]


def _entries(learned: Sequence[LearnedQuery]) -> list[tuple[str, list[LearnedQuery]]]:
    by_sql: dict[str, list[LearnedQuery]] = {}
    for one in learned:
        by_sql.setdefault(one.sql, []).append(one)
    entries: list[tuple[str, list[LearnedQuery]]] = []
    for alike in by_sql.values():
        entries.append((_name(alike[0], {name for name, _ in entries}), alike))
    return entries


def _name(one: LearnedQuery, taken: set[str]) -> str:
    """ "corrected by Ada on 2026-03-01": what a person chooses by, where several answer a question."""
    day = dt.datetime.fromtimestamp(one.created_at_ms / 1000, tz=dt.UTC).date().isoformat()
    name = f"{one.kind} by {one.verified_by or 'somebody'} on {day}"
    numbers = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbers if other not in taken)


async def named(
    view: View, tenant: str, semantic_model_id: str, speaker: Speaker, name: str, data_last: str = ""
) -> LearnedQuery:
    """The one that a catalog calls `name`, if it holds for `speaker` now. Raises NotFound for any other."""
    held = await learned_for(view, tenant, semantic_model_id, speaker, data_last)
    found = next((alike[0] for its, alike in _entries(held) if its == name), None)
    if found is None:
        raise NotFound(f"there is no verified query '{name}' here")
    return found


async def ask_learned(
    analyst: Analyst, context: ToolContext, loaded: LoadedModel, one: LearnedQuery, name: str
) -> StoredQuery:
    """Run its SQL, word for word. If that is what its metric query still comes to, the columns mean what they meant.

    Raises as kelpie.analyst.asking.ask_sql.
    """
    from kelpie.analyst.asking import access_of, ask_sql
    from kelpie.analyst.compile import compile_query, coverage_of
    from kelpie.analyst.metric_query import metric_query
    from kelpie.analyst.provenance.basis import basis_of

    stored = await ask_sql(analyst, context, loaded, one.sql, verified=name)
    if one.metric_query is None or stored.verdict.outcome != "run":
        return stored
    query = metric_query(one.metric_query)
    catalog = await analyst.catalog(loaded, await access_of(analyst, context, loaded))
    source = await analyst.open_source(loaded.connection)
    try:
        compiled = compile_query(loaded.model, query, source.dialect, coverage_of(catalog))
    except (InvalidInput, LimitExceeded):
        return stored
    if compiled.sql != one.sql:
        return stored
    known = basis_of(loaded, context.speaker, query, notes=compiled.notes)
    basis = msgspec.structs.replace(stored.basis, columns=known.columns, notes=known.notes)
    return msgspec.structs.replace(stored, metric_query=one.metric_query, columns=compiled.columns, basis=basis)


def _from_row(row: tuple[Any, ...]) -> LearnedQuery:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    if values["metric_query"] is not None:
        values["metric_query"] = msgspec.json.decode(values["metric_query"], type=dict[str, Any])
    return LearnedQuery(**values)
