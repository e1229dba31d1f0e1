"""From a run that ended to its answer.

The rule holds whoever wrote the words, planner or language model: a number without a source is not shown. What is
shown then says which number it was; the model's own words stay in the run, where a trajectory needs them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst import learned, results
from kelpie.analyst.access.access import access_for
from kelpie.analyst.answers import keeping
from kelpie.analyst.answers.answer import Answer, Freshness
from kelpie.analyst.answers.conventions import conventions_of
from kelpie.analyst.answers.keeping import Held
from kelpie.analyst.answers.stated import stated_in
from kelpie.analyst.answers.steps import steps_of
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.provenance import checking
from kelpie.analyst.provenance.checking import Check, label_of
from kelpie.analyst.provenance.numbers import Numbers, read_numbers
from kelpie.analyst.provenance.records import Label, records_of
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst
from kelpie.errors import CallerError, EnvironmentFault, NumberWithoutSource
from kelpie.people.speaker import NOBODY
from kelpie.trajectories import messages as histories
from kelpie.trajectories import runs
from kelpie.trajectories.records import OPEN_STATUSES, Run, StoredMessage
from umi.storage import Changes, View

_WORST: tuple[Label, ...] = ("unverified", "derived", "verified")


async def assemble(analyst: Analyst, view: View, tenant: str, run_id: str) -> tuple[Answer, Changes]:
    """The answer of a run, and what keeps it as it was shown first (nothing, if it is kept already or not over yet).

    Raises NotFound, and NumberWithoutSource where what was shown once lost the record of one of its numbers.
    """
    run = await runs.get(view, tenant, run_id)
    said = await histories.of_run(view, tenant, run_id)
    asked = await results.queries_of_run(view, tenant, run_id)
    queries = [query for query in asked if query.verdict.outcome == "run"]
    kept = await keeping.held_of(view, tenant, run_id)
    held, changes = kept, Changes()
    if held is None:
        held = await _held(analyst, view, run, said, queries)
        if run.status not in OPEN_STATUSES:
            changes = keeping.plan_answer(tenant, run_id, run.agent_id, held, analyst.host.clock.now_ms())
    checks = await checking.checks_of_run(view, tenant, run_id)
    numbers = records_of(
        held.text, held.numbers, queries, lambda query, column: label_of(query, checks.get(query.id), column)
    )
    charts = [chart for query in queries for chart in await results.charts_of_query(view, tenant, query.id)]
    question = _text_of(run)
    speaker = run.options.speaker or NOBODY
    answer = Answer(
        agent_id=run.agent_id,
        run_id=run.id,
        status=run.status,
        question=question,
        text=held.text,
        error=run.error,
        unsourced=held.unsourced,
        label=_weakest([record.label for record in numbers]),
        queries=queries,
        denied=[query for query in asked if query.verdict.outcome != "run"],
        charts=charts,
        numbers=numbers,
        checks=list(checks.values()),
        steps=steps_of(said, asked),
        conventions=conventions_of(said, question, queries, charts),
        caveats=_caveats(asked, checks),
        freshness=_freshness(queries),
        model=run.options.model or "",
        semantic_model=next((query.basis.semantic_model for query in asked), ""),
        person=speaker.person,
        name=speaker.name,
        asked_at_ms=run.created_at_ms,
        completed_at_ms=run.completed_at_ms,
    )
    return answer, changes


async def _held(
    analyst: Analyst, view: View, run: Run, said: Sequence[StoredMessage], queries: Sequence[StoredQuery]
) -> Held:
    text = last_words(said)
    stated = stated_in(said, await _catalog(analyst, view, run))
    try:
        return Held(text=text, numbers=read_numbers(text, [query.table for query in queries], stated))
    except NumberWithoutSource as refused:
        before, after = "This answer is not shown: the number ", " in it stands in no result of its queries."
        named = (len(before), len(before) + len(refused.number))
        instead = f"{before}{refused.number}{after}"
        return Held(text=instead, numbers=Numbers([], [named]), unsourced=refused.number)


async def _catalog(analyst: Analyst, view: View, run: Run) -> Catalog | None:
    """The words of the agent's semantic model, if it still has one and its source answers."""
    from kelpie.agents import agent as agents
    from kelpie.analyst.tools import SEMANTIC_MODEL_KEY

    try:
        agent = await agents.get(view, run.tenant, run.agent_id)
        model_id = agent.metadata.get(SEMANTIC_MODEL_KEY)
        if not isinstance(model_id, str):
            return None
        loaded, speaker = await analyst.load(view, run.tenant, model_id), run.options.speaker or NOBODY
        access = await access_for(view, run.tenant, model_id, speaker)
        catalog = await analyst.catalog(loaded, await access.over(await analyst.open_source(loaded.connection)))
        own = learned.as_catalog(
            await learned.learned_for(view, run.tenant, model_id, speaker, learned.last_day(catalog))
        )
        return msgspec.structs.replace(catalog, verified=[*catalog.verified, *own])
    except (CallerError, EnvironmentFault):
        return None


def last_words(messages: Sequence[StoredMessage]) -> str:
    """What the agent said last in these messages."""
    said = [one.body.text for one in messages if one.body.role == "assistant" and one.body.text]
    return said[-1] if said else ""


def _text_of(run: Run) -> str:
    return "\n".join(one.body.text for one in run.input if one.body.role == "user")


def _weakest(labels: Sequence[Label]) -> Label | None:
    return next((label for label in _WORST if label in labels), None)


def _freshness(queries: Sequence[StoredQuery]) -> Freshness | None:
    if not queries:
        return None
    newest = queries[-1]
    snapshot: dict[str, Any] = newest.snapshot
    return Freshness(
        first=snapshot.get("first"),
        last=snapshot.get("last"),
        changed_ms=snapshot.get("changed_ms"),
        asked_at_ms=newest.created_at_ms,
        where=str(snapshot.get("where", "")),
    )


def _caveats(asked: Sequence[StoredQuery], checks: dict[str, Check]) -> list[str]:
    found: list[str] = []
    for query in asked:
        if query.verdict.outcome != "run":
            found.append(f"A query was {query.verdict.outcome}: {query.verdict.message}")
            continue
        found += query.basis.notes
        found += [f"Withheld: {words}" for words in query.verdict.withheld]
        if query.truncated:
            found.append(f"There are more rows than the {query.row_count:,} that were kept.")
        if query.metric_query is None and not query.basis.verified:
            found.append("This comes from SQL that nobody has checked.")
        check = checks.get(query.id)
        if check is not None and check.outcome == "differs":
            columns = ", ".join(one.column for one in check.columns if one.outcome == "differs")
            found.append(f"Asked for another way, {columns} came out differently: don't rely on it.")
    return list(dict.fromkeys(found))


def with_check(answer: Answer, check: Check) -> Answer:
    """The answer, once a check of one of its queries is known."""
    query = next((query for query in answer.queries if query.id == check.query_id), None)
    if query is None:
        return answer
    numbers = [
        msgspec.structs.replace(record, label=label_of(query, check, record.column))
        if record.query_id == query.id
        else record
        for record in answer.numbers
    ]
    checks = [*(one for one in answer.checks if one.query_id != check.query_id), check]
    return msgspec.structs.replace(
        answer,
        numbers=numbers,
        checks=checks,
        label=_weakest([record.label for record in numbers]),
        caveats=_caveats([*answer.denied, *answer.queries], {one.query_id: one for one in checks}),
    )
