"""Streams that are taken up a little off, or whose numbers mean something else the second time."""

import asyncio

from kelpie.agents.actor import AgentActor
from kelpie.agents.turn.stream import Ended, RunStream
from kelpie.api import sse
from kelpie.api.wire.stream import Narrator
from kelpie.trajectories import runs


def goes_on_one_too_far(patch):
    """The number that a reader names is taken for that of the first message they want, and told after it."""

    def since(after, told):
        return [sse.event(one) for one in told if one["seq_id"] > after + bool(after)]

    patch.setattr(sse, "_since", since)


def begins_one_too_early(patch):
    """The last message that a reader heard is told again."""

    def since(after, told):
        return [sse.event(one) for one in told if one["seq_id"] >= after]

    patch.setattr(sse, "_since", since)


def pieces_so_far_are_not_told(patch):
    """Who comes in the middle of a reply hears the rest of it."""

    async def watch(stream):
        queue = asyncio.Queue()
        for one in [*stream._past, *([stream.ended] if stream.ended is not None else [])]:
            queue.put_nowait(one)
        stream._watchers.append(queue)
        try:
            while (one := await queue.get()) is not None:
                yield one
                if isinstance(one, Ended):
                    return
        finally:
            if queue in stream._watchers:
                stream._watchers.remove(queue)

    patch.setattr(RunStream, "watch", watch)


def told_whole_to_who_comes_later(patch):
    """A reply that went out in pieces is one message for whoever was not there."""
    patch.setattr(Narrator, "_missed_pieces", lambda _narrator, _event: [])


def attempts_are_not_counted(patch):
    """A run that is taken up again numbers on from where it was committed."""

    async def nothing(_actor, _stream):
        pass

    patch.setattr(AgentActor, "_begin_again", nothing)


def who_waited_is_new(patch):
    """A run that waited for its turn is in its first attempt, whoever took it up elsewhere meanwhile."""

    async def begin(actor, stream):
        if stream.is_new or not stream.run.options.stream_tokens:
            return
        stream.run, changes = runs.plan_again(stream.run)
        await actor._placement.commit(changes)

    patch.setattr(AgentActor, "_begin_again", begin)


def void_pieces_are_kept(patch):
    """Another attempt at a run adds its pieces to those that the one before let go out."""

    def begin(stream):
        stream.is_new = False

    patch.setattr(RunStream, "begin_attempt", begin)
