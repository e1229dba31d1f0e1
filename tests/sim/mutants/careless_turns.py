"""Turns and the inbox without their defences: what is told before it is true, and what is done twice or never."""

import contextlib

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents.actor import AgentActor, TakeTurn
from kelpie.agents.agent import ACTOR_KIND
from kelpie.agents.context import summarising
from kelpie.agents.inbox import Inbox, _Again
from kelpie.agents.rules import approving
from kelpie.agents.scheduling import Scheduling
from kelpie.agents.turn import calls, committing, performing, scene
from kelpie.agents.turn.recording import Recording
from kelpie.agents.turn.stream import RunStream
from kelpie.agents.turn.work import Work
from kelpie.errors import UmiError
from kelpie.tools import workspace
from kelpie.tools.bench import Bench
from kelpie.trajectories import runs, steps
from kelpie.trajectories.records import Run
from umi.storage import Changes, View
from umi.wire.types import ToolCall


def acknowledge_before_commit(patch):
    """A message is acknowledged once its commit was begun."""

    async def accept(inbox, tenant, agent_id, incoming, options, *, conversation_id="", run_id=None, also=None):
        host, database = inbox._workshop.host, inbox._workshop.database
        run = Run(
            tenant=tenant,
            id=run_id or host.ids.new("run"),
            agent_id=agent_id,
            status="created",
            input=list(incoming),
            options=options,
            created_at_ms=host.clock.now_ms(),
            conversation_id=conversation_id,
        )
        stream, ref = RunStream(run, is_new=True), inbox.silo.ref(ACTOR_KIND, agent_id, tenant)
        ref.reserve()

        def told():
            inbox._open[run.id] = stream
            command = TakeTurn(stream)
            host.spawn(inbox._see_through(stream, ref.tell(command, _Again(command))), f"run {run.id}")

        async def commit():
            try:
                with contextlib.suppress(UmiError):
                    accepted = agents.exists(ref.actor_id).extend(runs.plan_accept(run)).extend(also or Changes())
                    await database.commit(accepted.after(told))
            finally:
                ref.release()

        host.spawn(commit(), f"commit of {run.id}")
        return stream

    patch.setattr(Inbox, "accept", accept)


def summary_stands_for_one_more(patch):
    """A summary stands for the next message of a user as well, which whoever wrote it was not shown."""
    record = summarising._record

    async def one_more(turn, planned, written, trigger):
        made = await record(turn, planned, written, trigger)
        said = [one.position for one in planned.kept if one.body.role == "user"]
        return msgspec.structs.replace(made, upto_position=min(said, default=made.upto_position))

    patch.setattr(summarising, "_record", one_more)


def event_before_commit(patch):
    """What a step comes to is published, and then committed."""
    commit_results = committing.commit_results

    class Later:
        def __init__(self, placement):
            self.changes = Changes()
            self.actor_id = placement.actor_id

        async def commit(self, changes):
            self.changes = changes

    async def publish_first(one, work):
        placement = one.placement
        one.placement = later = Later(placement)
        try:
            await commit_results(one, work)
        finally:
            one.placement = placement
        await placement.commit(later.changes)

    patch.setattr(committing, "commit_results", publish_first)


def resume_repeats_a_tool(patch):
    """The calls that a stopped process had begun are made again."""

    async def again(one):
        step = one.steps[-1]
        now = await scene.read(one.shop, one.placement, one.run.options.model)
        found = await steps.calls_of(View(one.shop.database), step.tenant, step_id=step.id)
        prepared = [
            calls.prepare(call.number, ToolCall(call.tool_call_id, call.tool, call.arguments), now.tools)
            for call in found
        ]
        one.steps.pop()
        work = Work(now, step, reply=None, incoming=[], assistant=None, prepared=prepared, base=Changes())
        await committing.commit_results(one, work)

    patch.setattr(Recording, "interrupt", again)


def result_without_intent(patch):
    """A step that reaches outside is committed once, when its calls are over."""

    async def nothing(_one, _work):
        pass

    patch.setattr(committing, "commit_intents", nothing)


def failure_keeps_its_files(patch):
    """What a tool left in its folder is kept, whatever became of the call."""
    run = Bench.run

    async def keep(one, job, context, text_of):
        files = await one._files(job, context)
        results = []

        def text(result, changed):
            results.append(result)
            return text_of(result, changed)

        outcome = await run(one, job, context, text)
        if outcome.is_error:
            left = results[0].files
            planned, _ = workspace.plan_sync(context.tenant, context.agent_id, files, left, 0)
            outcome.changes.extend(planned)
        return outcome

    patch.setattr(Bench, "run", keep)


def overlay_not_seen(patch):
    """A call of a step reads what is stored, without what the calls before it planned."""
    patch.setattr(performing, "View", lambda database, _planned=None: View(database))


def scene_is_remembered(patch):
    """An activation reads agent, blocks and tools once, and never asks whether the agent is still its own."""
    read = scene.read
    seen = {}

    async def remembered(workshop, placement, *asked):
        if (placement, asked) not in seen:
            seen[placement, asked] = await read(workshop, placement, *asked)
        return seen[placement, asked]

    patch.setattr(scene, "read", remembered)


def earlier_runs_come_later(patch):
    """What an earlier activation left half done waits until somebody asks for it."""

    async def ignore(_actor, _run_id):
        pass

    patch.setattr(AgentActor, "_finish_earlier", ignore)


def reminder_noted_apart(patch):
    """A reminder's message is accepted in one commit, and noted as sent in another."""
    send = Scheduling._send

    async def noted_apart(self, reminder, fired):
        await send(self, reminder, Changes())
        await self._database.commit(fired)

    patch.setattr(Scheduling, "_send", noted_apart)


def approval_taken_apart(patch):
    """That a question was answered is noted in one commit, and the run that brings the answer accepted in another."""
    planned = approving.plan_answered

    async def apart(view, run, actor):
        await view.database.commit(await planned(view, run, actor))
        return Changes()

    patch.setattr(approving, "plan_answered", apart)


def recovery_forgets(patch):
    """A server that starts does not look for runs that its predecessor had acknowledged."""

    async def none(_inbox):
        return 0

    patch.setattr(Inbox, "recover", none)


def doubt_is_given_up(patch):
    """A message whose commit nobody knows the end of is left to itself."""

    async def give_up(_inbox, _run, place, _changes, _told, unknown):
        place.give_back()
        raise unknown

    patch.setattr(Inbox, "_end_doubt", give_up)
