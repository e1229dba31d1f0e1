"""What people say of an answer: that it is right, so that its SQL answers the question from now on; or that it is
wrong, perhaps with the SQL that is right."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst import learned, limits
from kelpie.analyst.access.access import access_for
from kelpie.analyst.answers import keeping
from kelpie.analyst.answers.answer import Answer
from kelpie.analyst.answers.keeping import Feedback
from kelpie.analyst.learned import LearnedQuery, new_learned, plan_learn, plan_unlearn
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.errors import Conflict, InvalidInput, LimitExceeded
from kelpie.people.speaker import Speaker
from kelpie.trajectories import runs
from umi.storage import Changes, Page, View


async def plan_confirm(
    analyst: Analyst, view: View, tenant: str, answer: Answer, by: Speaker, question: str | None, query_id: str | None
) -> tuple[LearnedQuery, Changes]:
    """Learn the answer's query for its question.

    question  in words that mean the same without what was said before; needed unless it was its session's first
    query_id  which of the answer's queries, if it stands on several
    Raises Conflict (it has no such answer), InvalidInput that says what is missing, LimitExceeded.
    """
    if answer.status != "completed" or answer.unsourced is not None or not answer.queries:
        raise Conflict(f"run '{answer.run_id}' has no answer that stands on a query: there is nothing to confirm")
    text = await _question(view, tenant, answer, question)
    query = _the_query(answer, query_id)
    own = [one for one in answer.conventions if one.used and one.scope != "organisation"]
    loaded = await analyst.load(view, tenant, query.semantic_model_id)
    made = new_learned(
        analyst.host,
        tenant,
        query.semantic_model_id,
        question=text,
        sql=query.basis.asked,
        metric_query=query.metric_query,
        kind="confirmed",
        # With words of a person's or a team's own, the question means this SQL for them alone.
        holds_for=by.key if own else "",
        verified_by=by.name,
        data_last=await _data_last(analyst, view, loaded, by),
        run_id=answer.run_id,
    )
    said = _feedback(analyst, answer, by, "confirmed", "")
    return made, plan_learn(made).extend(keeping.plan_feedback(tenant, answer.agent_id, said))


async def plan_reject(
    analyst: Analyst,
    view: View,
    tenant: str,
    answer: Answer,
    by: Speaker,
    *,
    reason: str = "",
    sql: str | None = None,
    question: str | None = None,
) -> tuple[LearnedQuery | None, Changes]:
    """Keep that the answer is wrong. With `sql`, the query that is right: it has run once, as the one who says so may.

    What was learned and gave the answer is forgotten, if it is theirs or everybody's.
    Raises InvalidInput, LimitExceeded, QueryRefused and QueryFailed for the SQL.
    """
    if len(reason) > limits.FEEDBACK_CHARS_MAX:
        raise LimitExceeded("the reason", len(reason), limits.FEEDBACK_CHARS_MAX, "characters")
    said = _feedback(analyst, answer, by, "rejected", reason)
    changes = keeping.plan_feedback(tenant, answer.agent_id, said)
    for one in await _gave(view, tenant, answer.queries, by):
        changes.extend(plan_unlearn(tenant, one.id))
    if sql is None:
        return None, changes
    text = await _question(view, tenant, answer, question)
    model_id = await _model_id(view, tenant, answer)
    loaded = await analyst.load(view, tenant, model_id)
    await _try(analyst, view, loaded, by, sql)
    made = new_learned(
        analyst.host,
        tenant,
        model_id,
        question=text,
        sql=sql,
        metric_query=None,
        kind="corrected",
        holds_for=by.key,
        verified_by=by.name,
        data_last=await _data_last(analyst, view, loaded, by),
        run_id=answer.run_id,
    )
    return made, changes.extend(plan_learn(made))


async def _question(view: View, tenant: str, answer: Answer, given: str | None) -> str:
    text = (given if given is not None else answer.question).strip()
    if not text:
        raise InvalidInput("the question is empty")
    if len(text) > limits.QUESTION_CHARS_MAX:
        raise LimitExceeded("the question", len(text), limits.QUESTION_CHARS_MAX, "characters")
    if given is None:
        (first,) = await runs.list_runs(view, tenant, Page(limit=1, ascending=True), agent_ids=[answer.agent_id])
        if first.id != answer.run_id:
            raise InvalidInput(
                "this question followed others, and may mean what it says only after them: give `question`, in words"
                " that stand alone"
            )
    return text


def _the_query(answer: Answer, query_id: str | None) -> StoredQuery:
    told = {record.query_id for record in answer.numbers}
    found = [query for query in answer.queries if query.id in ({query_id} if query_id else told)]
    if not found and not query_id:
        found = answer.queries
    if len(found) != 1:
        known = ", ".join(query.id for query in answer.queries)
        raise InvalidInput(f"say which of the answer's queries is right (`query_id`): {known}")
    return found[0]


async def _model_id(view: View, tenant: str, answer: Answer) -> str:
    from kelpie.agents import agent as agents
    from kelpie.analyst.tools import SEMANTIC_MODEL_KEY

    agent = await agents.get(view, tenant, answer.agent_id)
    model_id = agent.metadata.get(SEMANTIC_MODEL_KEY)
    if not isinstance(model_id, str):
        raise InvalidInput(f"run '{answer.run_id}' is of an agent without a semantic model")
    return model_id


async def _gave(view: View, tenant: str, queries: Sequence[StoredQuery], by: Speaker) -> list[LearnedQuery]:
    """The learned queries whose SQL gave the answer."""
    sqls = {(query.semantic_model_id, query.basis.asked) for query in queries if query.basis.verified}
    return [
        one
        for one in await learned.list_all(view, tenant)
        if (one.semantic_model_id, one.sql) in sqls and one.holds_for in ("", by.key)
    ]


async def _try(analyst: Analyst, view: View, loaded: LoadedModel, by: Speaker, sql: str) -> None:
    """Run it once as `by` may. Raises QueryRefused, QueryFailed, LimitExceeded."""
    from kelpie.analyst.guard import guard

    if len(sql) > limits.SQL_CHARS_MAX:
        raise LimitExceeded("the SQL", len(sql), limits.SQL_CHARS_MAX, "characters")
    source = await analyst.open_source(loaded.connection)
    access = await (await access_for(view, loaded.record.tenant, loaded.record.id, by)).over(source)
    guarded = guard(sql, loaded.model.tables, dialect=source.dialect, access=access)
    await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)


async def _data_last(analyst: Analyst, view: View, loaded: LoadedModel, by: Speaker) -> str:
    access = await access_for(view, loaded.record.tenant, loaded.record.id, by)
    source = await analyst.open_source(loaded.connection)
    return learned.last_day(await analyst.catalog(loaded, await access.over(source)))


def _feedback(analyst: Analyst, answer: Answer, by: Speaker, verdict: Any, reason: str) -> Feedback:
    return Feedback(
        run_id=answer.run_id,
        verdict=verdict,
        person=by.person,
        reason=reason,
        created_at_ms=analyst.host.clock.now_ms(),
    )
