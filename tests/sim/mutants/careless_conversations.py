"""Conversations that show what is not theirs, or lose what is."""

from kelpie.actors.outbox import plan_done
from kelpie.agents.context.history import Histories
from kelpie.agents.sweeping import Sweeping
from kelpie.trajectories import content, conversations, stretches
from kelpie.trajectories.records import MAIN
from umi.storage import Changes


def one_window_for_all(patch):
    """An activation keeps one window, whichever conversation it is asked for."""
    of = Histories.of

    async def of_main(one, view, _conversation_id):
        return await of(one, view, MAIN)

    patch.setattr(Histories, "of", of_main)


def fork_ends_one_too_far(patch):
    """A fork goes up to the next position, where nothing is yet."""
    end_of = conversations._end

    async def one_more(view, fork, source_id, upto):
        return await end_of(view, fork, source_id, upto) + 1

    patch.setattr(conversations, "_end", one_more)


def deletes_what_forks_show(patch):
    """Who deletes a conversation deletes all that was said in it."""

    def sweep(tenant, agent_id, source_ids):
        changes = Changes()
        for source_id in source_ids:
            where = (tenant, agent_id, source_id)
            text = "SELECT seq FROM message WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
            changes.write(f"DELETE FROM message_text WHERE rowid IN ({text})", *where)
            changes.write("DELETE FROM message WHERE tenant = ? AND agent_id = ? AND conversation_id = ?", *where)
        return changes

    patch.setattr(stretches, "plan_sweep", sweep)


def nothing_is_swept(patch):
    """Who removes runs leaves what they alone held."""

    async def sweep(self, errand):
        await self._shop.database.commit(plan_done(errand))

    patch.setattr(Sweeping, "sweep", sweep)


def deleted_agent_keeps_its_contents(patch):
    """Contents are shared: somebody else might want them."""
    patch.setattr(content, "of_agent_deleted", lambda _tenant, _agent_id: [])
