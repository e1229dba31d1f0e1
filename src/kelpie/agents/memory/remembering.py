"""What an agent remembers of a turn: what its user said, read for names, claims and dates, once.

The turn's last commit leaves an errand; this does it from the outbox (kelpie.actors.outbox), after the answer. Facts,
what they end, the step's record and the end of the errand are one commit, so that a crash leaves all of it or none.
Promotion into core memory is an errand of its own: it looks at the whole scope and need not follow every message.
"""

import logging
from collections.abc import Sequence

import msgspec

from kelpie.actors import Errand, Outbox
from kelpie.actors.outbox import find, plan_done
from kelpie.agents import limits
from kelpie.agents.agent import AgentMemory, actor_id
from kelpie.agents.memory.recalling import SENTENCES, news_of
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import CallerError, Conflict, GuardFailed, LimitExceeded
from kelpie.trajectories import steps
from kelpie.trajectories.records import RememberedTurn, Run
from umi.entity import Fact
from umi.limits import UNIFIED_MEMORY_PROMOTION_INTERVAL_MS
from umi.memory import Draft, Reading, Remembered
from umi.promote import Budget, plan_promote
from umi.storage import Changes, View

log = logging.getLogger(__name__)

REMEMBER, PROMOTE = "remember", "promote"
# People's blocks have bounds of their own here; what counts against core memory's are blocks with a type.
_BUDGET = Budget(typed_only=True)


class Said(msgspec.Struct, frozen=True):
    """What is new in a user's message."""

    message_id: str
    text: str
    speaker: str | None = None


class TurnSaid(msgspec.Struct, frozen=True):
    """What is to be remembered of a turn. It goes with the errand: a run's record may be deleted meanwhile."""

    scope: str
    agent_id: str
    at_ms: int
    said: list[Said]


class _Void(Exception):
    """The errand was done by somebody else, or its owner is gone."""


def plan_errand(outbox: Outbox, memory: AgentMemory, run: Run, recalled: Sequence[Fact], now_ms: int) -> Changes:
    """In a run's last commit: have it remembered what its user said, if the agent remembers and a user said anything
    that was not `recalled` for it. What a model repeats of its memory, and a user of the model, is no news; nor is what
    was merely asked."""
    if not memory.remember:
        return Changes()
    said = [
        Said(one.id, news, one.body.name)
        for one in run.input
        if one.body.role == "user" and one.sender is None and (news := _news(one.body.text, recalled))
    ]
    if not said:
        return Changes()
    scope = memory.scope_of(run.agent_id)
    turn = TurnSaid(scope, run.agent_id, run.created_at_ms, said)
    return outbox.put(
        Errand(
            tenant=run.tenant,
            topic=REMEMBER,
            id=run.id,
            lane=scope,
            owner=str(actor_id(run.tenant, run.agent_id)),
            body=msgspec.to_builtins(turn),
            due_at_ms=now_ms,
            once=True,
        )
    )


def _news(text: str, recalled: Sequence[Fact]) -> str:
    text = _bounded(text)
    return "" if only_asks(text) else news_of(text, recalled).strip()


class Remembering:
    def __init__(self, workshop: Workshop) -> None:
        """Made once, before the outbox starts."""
        self._shop = workshop
        self._promoted_ms: dict[tuple[str, str], float] = {}  # when a scope's promotion last began, monotonic
        archive = workshop.archive
        workshop.outbox.register(REMEMBER, self.remember, lambda gone: archive.wake(gone.tenant, gone.lane))
        workshop.outbox.register(PROMOTE, self.promote)

    # ---- remembering

    async def remember(self, errand: Errand) -> None:
        turn, now_ms = msgspec.convert(errand.body, TurnSaid), self._shop.host.clock.now_ms()
        try:
            await self._store(errand, turn, now_ms)
        except _Void:
            self._shop.archive.wake(errand.tenant, turn.scope)
        except (GuardFailed, Conflict):
            raise  # others were faster too often: tried again
        except CallerError as error:
            # What can't be remembered now can't be later either: said, and done with.
            refused = RememberedTurn(scope=turn.scope, at_ms=now_ms, refused=str(error)[: limits.REFUSAL_CHARS_MAX])
            await self._end(errand, steps.plan_remembered(errand.tenant, errand.id, refused))

    async def _read(self, errand: Errand, turn: TurnSaid) -> Reading:
        """What to store, read for names, claims and dates; secrets are not."""
        archive, drafts = self._shop.archive, list[Draft]()
        for one in turn.said:
            source = {"kind": "message", "agent_id": turn.agent_id, "run_id": errand.id, "message_id": one.message_id}
            drafts.append(
                Draft(
                    text=one.text,
                    speaker=one.speaker,
                    session=turn.agent_id,
                    source=source,
                    document_time=turn.at_ms,
                )
            )
        return await archive.read(archive.view, errand.tenant, turn.scope, archive.without_secrets(drafts))

    async def _store(self, errand: Errand, turn: TurnSaid, now_ms: int) -> Remembered:
        archive, tenant, scope = self._shop.archive, errand.tenant, turn.scope
        why = archive.why("add", actor=turn.agent_id)
        reading: Reading | None = None

        async def plan() -> tuple[Remembered, Changes]:
            nonlocal reading
            there = errand if reading is None else await find(archive.view, errand)  # at first it was read just now
            if there is None:
                raise _Void
            before = None
            if reading is None:
                reading = await self._read(errand, turn)
                before = reading.before
            how = (archive.view, tenant, scope, reading.prepared, why)
            remembered, changes = await archive.plan_remember(*how, same_text_is_known=True, before=before)
            record = RememberedTurn(
                scope=scope,
                at_ms=now_ms,
                facts=[fact.id for fact in remembered.facts],
                known=[fact.id for fact in remembered.known],
                superseded=[fact.id for fact in remembered.superseded],
                change_id=remembered.change_id if remembered.facts else None,
            )
            changes.extend(steps.plan_remembered(tenant, errand.id, record)).extend(plan_done(there))
            if remembered.facts:
                changes.extend(self._plan_promotion(errand, turn))
            return remembered, changes

        return await archive.commit(tenant, scope, plan)

    async def _end(self, errand: Errand, changes: Changes) -> None:
        try:
            await self._shop.database.commit(changes.extend(plan_done(errand)))
        except GuardFailed:
            return  # somebody else was faster

    # ---- promotion

    def _plan_promotion(self, errand: Errand, turn: TurnSaid) -> Changes:
        """One for all that was remembered since the last: at once if that is a while ago, else when it will be."""
        clock, key = self._shop.host.clock, (errand.tenant, turn.scope)
        last_ms = self._promoted_ms.get(key)
        wait_ms = 0.0 if last_ms is None else last_ms + UNIFIED_MEMORY_PROMOTION_INTERVAL_MS - clock.monotonic_ms()
        return self._shop.outbox.put(
            Errand(
                tenant=errand.tenant,
                topic=PROMOTE,
                id=turn.scope,
                lane=turn.scope,
                owner=errand.owner if turn.scope == turn.agent_id else "",
                due_at_ms=clock.now_ms() + max(0, int(wait_ms)),
            )
        )

    async def promote(self, errand: Errand) -> None:
        tenant, scope, database = errand.tenant, errand.id, self._shop.database
        self._note_promotion(tenant, scope)
        changes = Changes()
        try:
            _, changes = await plan_promote(View(database), tenant, scope, self._shop.host, budget=_BUDGET)
        except LimitExceeded as error:
            log.warning("nothing was promoted into the core memory of %s: %s", scope, error)
        # Guards: the errand, so that of a deleted agent nothing is promoted; blocks and facts, so that no edit is lost.
        await database.commit(changes.extend(plan_done(errand)))

    def _note_promotion(self, tenant: str, scope: str) -> None:
        now_ms = self._shop.host.clock.monotonic_ms()
        if len(self._promoted_ms) >= limits.PROMOTION_SCOPES_NOTED_MAX:
            since_ms = now_ms - UNIFIED_MEMORY_PROMOTION_INTERVAL_MS
            self._promoted_ms = {key: at_ms for key, at_ms in self._promoted_ms.items() if at_ms > since_ms}
        self._promoted_ms[tenant, scope] = now_ms


def _bounded(text: str) -> str:
    """Its beginning, if it is longer than what one message may say to memory; without NULs, which no fact may hold."""
    cut = text.encode("utf-8", "replace")[: limits.REMEMBER_TEXT_BYTES_MAX].decode("utf-8", "ignore")
    return cut.replace("\x00", " ")


def only_asks(text: str) -> bool:
    """Whether every sentence is a question: asking is no news."""
    return all(one.strip().endswith("?") for one in SENTENCES.findall(text) if one.strip())
