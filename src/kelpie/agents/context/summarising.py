"""A compaction under way: which model is asked for the summary, and the one commit that makes it the window's head.

It is a step of its run, of a kind of its own, with what was sent, received and used. Until that commit nothing has
changed: a process that stops before it leaves the conversation as it was, and the next attempt asks again. A summary
that can't be had is a failed step, and the run goes on with as much of the conversation as fits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kelpie.agents import limits
from kelpie.agents.context import compacting
from kelpie.agents.context.compacting import Mode, Settings, Trigger
from kelpie.agents.context.context import Room, estimate_tokens, returns_shown, room_beside, shortened_return
from kelpie.agents.turn.recording import Recording, status_of
from kelpie.agents.turn.scene import Scene
from kelpie.agents.turn.work import step_ended
from kelpie.errors import CallerError, MissingExtra, ModelError
from kelpie.models.model import Model, ModelCard
from kelpie.trajectories import content, messages, runs, steps, summaries
from kelpie.trajectories.records import Compacted, Step, StopReason, StoredMessage, Told
from umi.storage import View
from umi.wire.types import Message, Reply, Request, Usage

# What may be the request's fault, and not meet one in another form.
_OF_THE_REQUEST = ("context_overflow", "invalid_response", "bad_request")


class Plan(NamedTuple):
    """`summarised` and `kept` are the window as the history has it, `incoming` comes after it. `base` is the request
    without any of them: system message, tools, and the summary so far."""

    settings: Settings
    base: Request
    room: Room
    summarised: list[StoredMessage]
    kept: list[StoredMessage]
    incoming: list[StoredMessage]


class Full(Exception):
    """The conversation no longer fits, and can be compacted."""

    def __init__(self, now: Scene, planned: Plan, trigger: Trigger) -> None:
        super().__init__(trigger)
        self.now, self.planned, self.trigger = now, planned, trigger


class Written(NamedTuple):
    """A summary, and whose it is. `unseen` of the messages its model could not be shown."""

    text: str
    mode: Mode
    card: ModelCard
    reply: Reply
    unseen: int


def may_compact(record: Recording) -> bool:
    """Whether a run may try it: not if that failed before, and never twice between two replies. So a run that has an
    end without it has one with it."""
    made = record.steps
    failed = any(step.kind == "compaction" and step.state == "failed" for step in made)
    return not failed and not (made and made[-1].kind == "compaction")


def plan(
    record: Recording, now: Scene, base: Request, incoming: list[StoredMessage], settings: Settings | None = None
) -> Plan | None:
    """None if there is nothing that can be summarised.

    base      the request as it is without the conversation
    settings  others than the agent's own
    """
    settings = settings or compacting.settings_of(now.agent)
    room = room_beside(now.agent, now.card, base.messages[0], base.tools)
    window = record.history.window
    conversation = _shown([*window, *incoming], room)
    recalled = record.recollection.message if record.recollection is not None else None
    own = {one.id for one in record.run.input}
    unheard = sum(one.id in own for one in [*window, *incoming]) if not _has_replied(record) else 0
    cut = compacting.first_kept(
        conversation,
        settings.mode,
        budget_tokens=room.budget - (estimate_tokens(recalled) if recalled is not None else 0),
        kept_share=settings.sliding_window_percentage,
        pending=compacting.unanswered(conversation, unheard),
    )
    return Plan(settings, base, room, window[:cut], window[cut:], incoming) if cut else None


def _shown(told: Sequence[StoredMessage], room: Room) -> list[Message]:
    """As the model is shown them."""
    returns = returns_shown(room.window)
    return [shortened_return(one.body, returns) for one in told]


def _has_replied(record: Recording) -> bool:
    return any(step.kind == "reply" for step in record.steps)


async def compact(
    record: Recording, now: Scene, step: Step, planned: Plan, trigger: Trigger, *, stop: StopReason | None = None
) -> None:
    """Make the summary and let the window begin with it, in a step of the run. If no model writes one, the step says
    why and the run goes on.

    stop  the run ends with this step: as failed if there is no summary
    Raises Cancelled.
    """
    clock = record.shop.host.clock
    attempt, began_ms = record.run.attempt, clock.monotonic_ms()
    # The summary has no pieces, and numbers of this attempt: those below may be of pieces that an earlier one let go.
    step = msgspec.structs.replace(step, kind="compaction", told=Told(attempt, []) if attempt else None)
    spent: list[Usage] = []
    try:
        written = await record.stream.until_cancelled(_write(record, now, planned, spent))
    except ModelError as error:
        duration_ms = clock.monotonic_ms() - began_ms
        step = msgspec.structs.replace(step, model_duration_ms=duration_ms, usage=_sum(spent))
        if stop is not None:
            await record.fail(step, planned.incoming, error)
        else:
            await _keep_failure(record, step, planned.incoming, error)
        return
    duration_ms = clock.monotonic_ms() - began_ms
    step = msgspec.structs.replace(step, model_duration_ms=duration_ms, usage=_sum(spent))
    await _keep(record, step, planned, written, trigger, stop)


# ---- the model


async def _write(record: Recording, now: Scene, planned: Plan, spent: list[Usage]) -> Written:
    """The usage of each answer, also of one that is none, goes into `spent`. Raises ModelError, the last of those that
    the attempts met."""
    last = ModelError("invalid_response", "no model was asked for a summary")
    for mode in compacting.attempts(planned.settings.mode):
        card, model = _summariser(record, now, planned.settings, mode)
        for shrink in range(1 if compacting.is_self(mode) else limits.COMPACTION_SHRINKS_MAX + 1):
            request, unseen = _request(record, planned, mode, _smaller(card, shrink))
            try:
                reply = await model.reply(request)
            except ModelError as error:
                last = error
                if error.model_error_kind not in _OF_THE_REQUEST and planned.settings.model is None:
                    raise  # it would meet another request to the same model as well
                if error.model_error_kind != "context_overflow":
                    break
                continue
            except (CallerError, MissingExtra) as error:
                last = ModelError("bad_request", str(error))
                break
            spent.append(reply.usage)
            text = compacting.clipped(reply.text or "", planned.settings, _tokens_max(planned))
            if text:
                return Written(text, mode, card, reply, unseen)
            last = ModelError("invalid_response", f"{card.handle} answered without a summary")
            break
    raise last


def _sum(spent: Sequence[Usage]) -> Usage:
    def total(field: str) -> int | None:
        said = [value for usage in spent if (value := getattr(usage, field)) is not None]
        return sum(said) if said else None

    return Usage(
        prompt_tokens=total("prompt_tokens") or 0,
        completion_tokens=total("completion_tokens") or 0,
        cached_prompt_tokens=total("cached_prompt_tokens"),
        cache_write_tokens=total("cache_write_tokens"),
        reasoning_tokens=total("reasoning_tokens"),
    )


def _summariser(record: Recording, now: Scene, settings: Settings, mode: Mode) -> tuple[ModelCard, Model]:
    """The model the settings name, if somebody serves it; else the agent's own, in the window the agent has."""
    if settings.model is not None and not compacting.is_self(mode):
        try:
            return record.shop.models.resolve(settings.model, now.agent.tenant)
        except ModelError:
            pass  # an agent that was brought from elsewhere may name one that nobody has here
    window = now.agent.context_window_tokens or now.card.context_window_tokens
    return msgspec.structs.replace(now.card, context_window_tokens=window), now.model


def _smaller(card: ModelCard, shrink: int) -> ModelCard:
    return msgspec.structs.replace(card, context_window_tokens=card.context_window_tokens >> shrink)


def _tokens_max(planned: Plan) -> int:
    return compacting.summary_tokens_max(planned.room.budget)


def _request(record: Recording, planned: Plan, mode: Mode, card: ModelCard) -> tuple[Request, int]:
    summarised, earlier = _shown(planned.summarised, planned.room), record.history.summary
    if not compacting.is_self(mode):
        told = earlier.body.text if earlier is not None else None
        return compacting.plain_request(planned.settings, card, told, summarised, _tokens_max(planned))
    return compacting.self_request(
        planned.settings,
        card,
        planned.base.messages,
        summarised,
        planned.base.tools,
        planned.room.budget,
        _tokens_max(planned),
    )


def shown_summary(record: Recording) -> list[Message]:
    """The window's head as the model is shown it, if there is one."""
    summary = record.history.summary
    forgets = record.agent is not None and record.agent.forgets
    if summary is None or summary.compacted is None or forgets:
        return []
    return [compacting.shown(summary.body.text, summary.compacted)]


# ---- the commit


async def _keep(
    record: Recording, step: Step, planned: Plan, written: Written, trigger: Trigger, stop: StopReason | None
) -> None:
    reply, card = written.reply, written.card
    hashes, stored = content.plan_put(step.tenant, step.agent_id, [*reply.raw_request, reply.raw_response])
    done = msgspec.structs.replace(
        step,
        state="done",
        stop_reason=stop,
        model=card.handle,
        provider=card.provider,
        provider_type=card.provider_type,
        model_name=reply.model,
        model_version=card.version,
        context_window_tokens=card.context_window_tokens,
        instead_of=card.instead_of,
        finish=reply.finish,
        request=hashes[:-1],
        response=hashes[-1],
        provider_request_id=reply.provider_request_id,
        completed_at_ms=record.shop.host.clock.now_ms(),
    )
    body = Message(role="user", content=written.text)
    summary = record.stored(record.shop.host.ids.new("message"), body, len(planned.incoming), step.id)
    summary = msgspec.structs.replace(summary, compacted=await _record(record, planned, written, trigger))
    fresh = [*planned.incoming, summary]
    changes = stored.extend(messages.plan_add(fresh)).extend(steps.plan_add(done))
    await record.placement.commit(changes.extend(await record.plan_run(stop)))
    record.history.append(fresh)
    record.steps.append(done)
    record.shop.events.emit(step_ended(done))
    record.publish(done, [summary])
    if stop is not None:
        record.end(status_of(stop), stop)


async def _record(record: Recording, planned: Plan, written: Written, trigger: Trigger) -> Compacted:
    """What the summary stands for: all since the one before, also what was too much to be loaded or shown."""
    before = record.history.summary
    earlier = before.compacted if before is not None else None
    first = earlier.upto_position + 1 if earlier is not None else 0
    last = planned.summarised[-1].position
    run = record.run
    here = (run.tenant, run.agent_id, run.conversation_id)
    count = await summaries.count(View(record.shop.database), *here, first, last)
    stays = _shown([*planned.kept, *planned.incoming], planned.room)
    goes = _shown(planned.summarised, planned.room)
    head = [] if before is None else shown_summary(record)
    return Compacted(
        from_position=first,
        upto_position=last,
        mode=written.mode,
        trigger=trigger,
        messages_summarised=count,
        messages_hidden=count + (earlier.messages_hidden if earlier is not None else 0),
        messages_before=len(head) + len(goes) + len(stays),
        messages_after=1 + len(stays),
        tokens_before=planned.room.prefix + _tokens([*head, *goes, *stays]),
        tokens_after=_tokens([Message(role="user", content=written.text), *stays]),
        context_window_tokens=planned.room.window,
        previous=before.id if before is not None else None,
        unseen=written.unseen + count - len(goes),
    )


def _tokens(shown: Sequence[Message]) -> int:
    return sum(map(estimate_tokens, shown))


async def _keep_failure(record: Recording, step: Step, incoming: list[StoredMessage], error: ModelError) -> None:
    hashes, stored = content.plan_put(step.tenant, step.agent_id, [*error.raw_request, error.raw_response])
    failed = msgspec.structs.replace(
        step,
        state="failed",
        error=runs.error_record(error.model_error_kind, str(error)),
        request=hashes[:-1],
        response=hashes[-1],
        completed_at_ms=record.shop.host.clock.now_ms(),
    )
    changes = stored.extend(messages.plan_add(incoming)).extend(steps.plan_add(failed))
    await record.placement.commit(changes.extend(await record.plan_run(None)))
    record.history.append(incoming)
    record.steps.append(failed)
    record.shop.events.emit(step_ended(failed))
