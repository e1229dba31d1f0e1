"""A turn that stops to ask somebody about its calls, and goes on with the answer in another run.

The run that asks ends with its step: nothing of it is kept at work while a person thinks. The run that brings the
answers begins with a step without a model, which makes the calls: what was approved runs as every call that reaches
outside, from its intent on, and is never run again.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from kelpie.agents.rules import approving
from kelpie.agents.rules.approving import Asked
from kelpie.agents.turn.calls import Prepared
from kelpie.agents.turn.recording import Recording
from kelpie.agents.turn.work import Work, step_ended
from kelpie.errors import GuardFailed
from kelpie.trajectories import messages, steps
from kelpie.trajectories.records import Answer
from umi.storage import Changes

UNASKED_TEXT = (
    "the call was not made: it needs an answer from the user, whose next message came before they could be asked."
    " Call it again if it is needed still."
)
NEEDS_ONE_NOW_TEXT = "the call was not made: it needs approval now, and nobody was asked for that; call it again"


async def ask(record: Recording, work: Work) -> bool:
    """Commit the reply and have its calls wait: those that need an answer, and with them all others, whose outcomes
    the model is shown together. It ends the run. False, and nothing is written, if another message waits already."""
    marked = [msgspec.structs.replace(one.call, asked=one.asks) for one in work.prepared]
    asking = msgspec.structs.replace(
        work.assistant, body=msgspec.structs.replace(work.assistant.body, tool_calls=marked)
    )
    done = msgspec.structs.replace(
        work.step, state="done", stop_reason="requires_approval", completed_at_ms=record.shop.host.clock.now_ms()
    )
    changes = Changes().extend(work.contents).extend(messages.plan_add([*work.incoming, asking]))
    changes.extend(steps.plan_add(done))
    changes.extend(
        steps.plan_put_calls(msgspec.structs.replace(work.call(one), state="waiting") for one in work.prepared)
    )
    asked = [Asked(one.call.id, one.call.name, one.by_client) for one in work.prepared if one.asks]
    shop, actor = record.shop, record.placement.actor_id
    changes.extend(approving.plan_ask(shop.host, actor, asking, asked, shop.approval_ms))
    try:
        await record.placement.commit(changes.extend(await record.plan_run("requires_approval")))
    except GuardFailed as error:
        if error.guard != "approval":
            raise
        return False
    record.history.append([*work.incoming, asking])
    record.steps.append(done)
    record.shop.events.emit(step_ended(done))
    record.publish(done, [asking])
    record.end("completed", "requires_approval")
    return True


def unasked(prepared: Sequence[Prepared]) -> list[Prepared]:
    """The calls where nobody can be asked: those that need an answer are not made."""
    return [replace(one, asks=False, refusal=UNASKED_TEXT) if one.asks else one for one in prepared]


def answered(prepared: Sequence[Prepared], answers: Sequence[Answer]) -> list[Prepared]:
    """The calls that waited, as the answers have them."""
    return [_answered(one, answers) for one in prepared]


def _answered(one: Prepared, answers: Sequence[Answer]) -> Prepared:
    if not one.call.asked:
        return replace(one, asks=False, refusal=NEEDS_ONE_NOW_TEXT) if one.asks else one
    answer = approving.answer_to(answers, one.call.id) or Answer()
    if answer.is_final:
        return replace(one, asks=False, refusal=None, answer=answer)
    return replace(one, asks=False)
