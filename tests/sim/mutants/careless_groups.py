"""Groups that lose their place in a round, say something twice, or leave somebody waiting."""

import msgspec

from kelpie.actors.outbox import plan_done
from kelpie.agents.together import turns
from kelpie.agents.together.overhearing import Overheard, Overhearing
from kelpie.agents.together.talking import Talking
from kelpie.groups import runs as group_runs
from kelpie.groups.runs import GroupTurn
from kelpie.trajectories.records import RunInput, RunOptions
from umi.storage import Changes
from umi.wire.types import Message


def round_begins_anew(patch):
    """Who takes up a round that another process left begins it again."""
    go_on = Talking._go_on

    async def anew(self, errand):
        if errand.id not in self._open:
            forget = "DELETE FROM group_turn WHERE tenant = ? AND group_run_id = ?"
            await self._shop.database.commit(Changes().write(forget, errand.tenant, errand.id))
        await go_on(self, errand)

    patch.setattr(Talking, "_go_on", anew)


def turn_noted_apart(patch):
    """The run of whose turn it is first, and in a commit of its own that it was their turn."""

    async def begin(self, group, run, number, following, talk):
        run_id = self._shop.host.ids.new("run")
        accepted = await self._inbox.accept(
            group.tenant, following.agent_id, following.incoming, run.options, run_id=run_id
        )
        turn = GroupTurn(number=number, agent_id=following.agent_id, part=following.part, run_id=run_id)
        await self._shop.database.commit(group_runs.plan_turn(run, turn))
        talk.begin(accepted)

    patch.setattr(Talking, "_begin", begin)


def nobody_hears_of_the_end(patch):
    """Whoever finds that a round has ended already tells nobody."""
    patch.setattr(Talking, "_gone", lambda self, errand: None)


def telling_done_apart(patch):
    """A background agent is told; when it has thought about it, the errand is done."""

    async def apart(self, errand):
        told, agent_id = msgspec.convert(errand.body, Overheard), errand.id.rpartition("/")[2]
        body = Message(role="user", content=told.text)
        incoming = RunInput(id=self._shop.host.ids.new("message"), body=body, sender=told.sender)
        options = RunOptions(background=True, callers=told.callers, group_id=told.group_id)
        stream = await self._shop.switchboard.inbox.accept(errand.tenant, agent_id, [incoming], options)
        await stream.wait()
        await self._shop.database.commit(plan_done(errand))

    patch.setattr(Overhearing, "tell", apart)


def rounds_overtake(patch):
    """A message is answered though the one before it has not been."""

    async def never(view, run):
        return False

    patch.setattr(group_runs, "has_to_wait", never)


def turns_are_counted(patch):
    """A round is over when somebody had as many turns as the group has members now."""
    in_turn = turns._in_turn

    def counted(ids, talked):
        if talked.group.turns_max is None and len(talked.spoken) >= len(talked.members):
            return turns.Over(status="completed", stop_reason="end_turn")
        return in_turn(ids, talked)

    patch.setattr(turns, "_in_turn", counted)
