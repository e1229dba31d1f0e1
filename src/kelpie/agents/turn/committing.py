"""The commits of a step.

A step whose calls touch only our store commits once, with its results. A step that reaches outside commits twice: the
reply and its intents before the first call, the results after the last.
"""

import msgspec

from kelpie.agents import limits
from kelpie.agents.turn import auditing, pausing, performing
from kelpie.agents.turn.recording import Recording, status_of
from kelpie.agents.turn.work import Performed, Work, step_ended, unwritten
from kelpie.errors import Conflict, GuardFailed
from kelpie.trajectories import messages, runs, steps
from kelpie.trajectories.records import Step, StopReason, StoredMessage
from umi.storage import Changes


async def commit(record: Recording, work: Work) -> None:
    """Make a reply durable, with what its calls come to; or with the question to somebody whether they may be made."""
    if any(call.asks for call in work.prepared):
        if not record.stream.is_cancelled and await pausing.ask(record, work):
            return
        work.prepared = pausing.unasked(work.prepared)
    if any(call.is_outside for call in work.prepared):
        await commit_intents(record, work)
    await commit_results(record, work)


async def commit_intents(record: Recording, work: Work) -> None:
    """First commit of a step that reaches outside: reply and intents, before any call is made."""
    changes = work.base.extend(steps.plan_add(work.step))
    changes.extend(steps.plan_put_calls(work.call(prepared) for prepared in work.prepared))
    changes.extend(auditing.plan_begin(work, record.run, record.shop.host))
    await record.placement.commit(changes.extend(runs.plan_start(record.run)))
    if work.reply is not None:
        record.history.append([*work.incoming, work.assistant])
        record.publish(work.step, [work.assistant])
    work.base, work.incoming = Changes(), []


async def commit_results(record: Recording, work: Work) -> None:
    """The last commit of a step: results, the step's record, and the end of the run if this was it.

    Store tools are planned anew if another writer was first; outside tools have run and are not run again.
    """
    kept: dict[int, Performed] = {}
    with_intents = not work.base
    for attempt in range(limits.STORE_CALL_ATTEMPTS_MAX + 1):
        if attempt == limits.STORE_CALL_ATTEMPTS_MAX:
            kept = {call.number: unwritten(kept.get(call.number)) for call in work.prepared}
        outcomes, planned = await performing.perform(record, work, kept)
        stop, told = work.next(outcomes, record.max_steps)
        if record.stream.is_cancelled:
            stop, told = "cancelled", []
        offset = 0 if with_intents else len(work.incoming) + 1
        results = record.all_stored([*work.result_bodies(outcomes), *told], work.step.id, offset)
        # What came with the answers to calls is said once these are made.
        said = record.said_with_answers(work.step.id, offset + len(results)) if work.reply is None else []
        done = msgspec.structs.replace(
            work.step, state="done", stop_reason=stop, completed_at_ms=record.shop.host.clock.now_ms()
        )
        changes = Changes().extend(work.base).extend(planned).extend(messages.plan_add([*results, *said]))
        changes.extend(steps.plan_finish(done) if with_intents else steps.plan_add(done))
        changes.extend(
            steps.plan_put_calls(
                work.call(prepared, performed, results[prepared.number].id)
                for prepared, performed in zip(work.prepared, outcomes, strict=True)
            )
        )
        changes.extend(auditing.plan_end(work, outcomes))
        changes.extend(await record.plan_run(stop))
        try:
            await record.placement.commit(changes)
        except (GuardFailed, Conflict) as error:
            if isinstance(error, GuardFailed) and error.guard in ("run", "step"):
                raise
            continue
        _committed(record, work, done, results, said, stop, with_intents=with_intents)
        return
    raise Conflict(f"step {work.step.number} of {record.run.id} could not be written: its tables keep changing")


def _committed(
    record: Recording,
    work: Work,
    step: Step,
    results: list[StoredMessage],
    said: list[StoredMessage],
    stop: StopReason | None,
    *,
    with_intents: bool,
) -> None:
    fresh = results if with_intents else [work.assistant, *results]
    record.history.append([*work.incoming, *fresh, *said])
    record.steps.append(step)
    record.shop.events.emit(step_ended(step))
    record.publish(step, fresh)
    if stop is not None:
        record.end(status_of(stop), stop)
