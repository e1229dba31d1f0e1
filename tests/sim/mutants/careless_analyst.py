"""The analyst without its care: what is known is asked for again, and what is shown stands on nothing."""

import msgspec

from kelpie.agents import agent as agents
from kelpie.analyst import asking, leaving
from kelpie.analyst.answers import assemble, keeping
from kelpie.analyst.planner import deciding
from kelpie.api.routes import answers, questions
from kelpie.api.routes.analyst import analyst_of
from kelpie.people import records as people
from kelpie.trajectories import runs
from umi.storage import Changes

_LATER_MS = 500


def doubts_what_is_known(patch):
    """Once a call of a turn was interrupted, the planner trusts none of its results, and asks for each again."""

    def was_interrupted(one, call):
        cut = any(other.is_error and "interrupted" in other.text for other in one._turn.calls)
        return cut and one._turn.count(call.name) < deciding._ATTEMPTS_MAX

    patch.setattr(deciding._Deciding, "_was_interrupted", was_interrupted)


def shows_before_it_keeps(patch):
    """An answer is shown, and what its numbers stand on is kept a moment later, to answer sooner."""

    async def careless(who, run_id):
        made, changes = await assemble(analyst_of(who), who.view, who.tenant, run_id)
        host, database = who.workshop.host, who.workshop.database

        async def keep():
            await host.clock.sleep(_LATER_MS)
            await database.commit(changes)

        if changes:
            host.spawn(keep(), f"keep {run_id}")
        return made

    for place in (questions, answers):
        patch.setattr(place, "answer_of", careless)


def failure_is_an_empty_result(patch):
    """A query that the source did not answer counts as one that found nothing."""
    ask = asking._ask

    async def careless(*about):
        asked = await ask(*about)
        verdict = msgspec.structs.replace(asked.verdict, outcome="run", message="")
        return msgspec.structs.replace(asked, verdict=verdict) if asked.verdict.outcome == "failed" else asked

    patch.setattr(asking, "_ask", careless)


def removes_only_the_name(patch):
    """Who is removed is taken from the list of people; what they talked about is somebody else's business."""

    async def forget_nothing(_workshop, _tenant, _speaker):
        return None

    patch.setattr(leaving, "_forget_conversations", forget_nothing)
    patch.setattr(agents, "has_none", lambda _tenant, _speaker: Changes())


def keeps_an_answer_of_nobody(patch):
    """An answer is kept as it was read, and nobody looks whether it is still anybody's."""
    patch.setattr(keeping, "_PUT", keeping._PUT.replace(runs.IS_THERE, "? = ? OR true"))


def lets_who_is_gone_begin(patch):
    """A question's first commit doesn't ask whether its speaker is there, nor a removal whether somebody asked."""
    patch.setattr(people, "is_here", lambda _tenant, _speaker: Changes())
    patch.setattr(agents, "has_none", lambda _tenant, _speaker: Changes())
