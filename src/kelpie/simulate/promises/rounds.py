"""What must hold of groups after everything has healed: each round is said once and in turn, and ends; everybody heard
once what the others said; who waited heard of the end; background agents were told once what they are to know.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kelpie.agents.together import overhearing, talking
from kelpie.simulate.clients.circles import Addressed, Circle
from kelpie.simulate.clients.clients import Clients, Reply
from kelpie.simulate.machines.world import World
from kelpie.tools.limits import CALL_DEPTH_MAX
from kelpie.tools.others import IN_GROUP
from kelpie.trajectories.records import RunInput, RunOptions
from umi.wire.types import Message

_PATIENCE_MS = 60_000
_LONGEST_PAUSE_MS = 1_800_000.0  # an errand may be tried every minute, and each of its turns every ten
_WAITED_MS = 30_000.0  # longer than it takes to look again for what became of a commit
_TOPICS = (talking.TOPIC, overhearing.COUNT, overhearing.TELL)
_LEFT = (
    "SELECT (SELECT count(*) FROM outbox WHERE topic IN (?, ?, ?))"
    " + (SELECT count(*) FROM group_run WHERE status IN ('created', 'running'))"
)
_ROUNDS = "SELECT id, group_id, status, input, completed_at_ms FROM group_run ORDER BY seq"
_TURNS = "SELECT group_run_id, number, agent_id, part, run_id FROM group_turn ORDER BY group_run_id, number"
_RUNS = "SELECT id, agent_id, status, input, options, seq, group_id FROM run ORDER BY seq"
_SAID = "SELECT run_id, role, body FROM message WHERE run_id IS NOT NULL ORDER BY agent_id, position"
_CALLS = "SELECT run_id, tool_call_id, state, is_error FROM call WHERE tool = ?"
_NO_GROUP = "NOT EXISTS (SELECT 1 FROM agent_group g WHERE g.tenant = o.tenant AND g.id = o.group_id)"
_ORPHANS = {
    "members of no group": f"SELECT agent_id FROM group_member o WHERE {_NO_GROUP}",
    "members that are no agents": "SELECT agent_id FROM group_member o WHERE NOT EXISTS"
    " (SELECT 1 FROM agent a WHERE a.tenant = o.tenant AND a.id = o.agent_id)",
    "rounds of no group": f"SELECT id FROM group_run o WHERE {_NO_GROUP}",
    "turns of no round": "SELECT run_id FROM group_turn o WHERE NOT EXISTS"
    " (SELECT 1 FROM group_run r WHERE r.tenant = o.tenant AND r.id = o.group_run_id)",
}
_input = msgspec.msgpack.Decoder(list[RunInput]).decode
_options = msgspec.msgpack.Decoder(RunOptions).decode
_message = msgspec.msgpack.Decoder(Message).decode


class Round(msgspec.Struct, frozen=True):
    """A message to a group, with the turns it was answered in."""

    id: str
    group_id: str
    status: str
    input: list[RunInput]
    completed_at_ms: int | None
    turns: "list[Turn]"


class Turn(msgspec.Struct, frozen=True):
    number: int
    agent_id: str
    part: str
    run_id: str


class Done(msgspec.Struct, frozen=True):
    """A run of an agent."""

    agent_id: str
    status: str
    input: list[RunInput]
    options: RunOptions
    seq: int
    group_id: str | None


class Rounds:
    def __init__(
        self,
        world: World,
        clients: Clients,
        circles: Mapping[int, Circle],
        addressed: Sequence[Addressed],
        breaks: Callable[[str, str], None],
    ) -> None:
        """found  how much of what there was to look at"""
        self._world, self._clients, self._circles, self._addressed = world, clients, circles, addressed
        self._breaks = breaks
        self.found: Counter[str] = Counter()

    async def check(self) -> None:
        """Look at everything."""
        await self._comes_to_rest()
        self._gone = {self._clients.agents[number] for number in self._clients.dismissed}
        await self._read()
        for one in self._addressed:
            self._was_heard(one)
        for circle in self._circles.values():
            if not circle.is_there(self._gone):
                continue
            rounds = [one for one in self._rounds if one.group_id == circle.id]
            if circle.team.kind == "sleeptime":
                await self._was_overheard(circle)
                continue
            self._no_turn_is_taken_twice(circle, rounds)
            self._rounds_follow_each_other(circle, rounds)
            for each in rounds:
                self._was_in_order(circle, each)
                self._was_told(circle, each)
        await self._were_asked_once()
        groups = {row[0] for row in await self._world.rows("SELECT id FROM agent_group")}
        for run_id, run in self._runs.items():
            # What an agent says to others while its group is deleted may still say that it is of that.
            if run.group_id not in (None, *groups) and not run.options.callers:
                self._breaks("no orphans", f"{run_id} is of group {run.group_id}, which is gone")
        for what, sql in _ORPHANS.items():
            if rows := await self._world.rows(sql):
                self._breaks("no orphans", f"{what}: {', '.join(str(row[0]) for row in rows[:5])}")

    async def _comes_to_rest(self) -> None:
        until_ms = self._world.loop.virtual_ms + _LONGEST_PAUSE_MS
        while (left := await self._left()) and self._world.loop.virtual_ms < until_ms:
            await self._world.host.clock.sleep(1_000)
        if left:
            self._breaks("nothing is left half done", f"{left} runs, rounds or errands of groups are left")

    async def _left(self) -> int:
        return int((await self._world.rows(_LEFT, *_TOPICS))[0][0]) + await self._world.open_runs()

    async def _read(self) -> None:
        rows = self._world.rows
        turns: dict[str, list[Turn]] = {}
        for round_id, *turn in await rows(_TURNS):
            turns.setdefault(round_id, []).append(Turn(*turn))
        self._rounds = [
            Round(id_, group_id, status, _input(packed), ended_ms, turns.get(id_, []))
            for id_, group_id, status, packed, ended_ms in await rows(_ROUNDS)
        ]
        self._runs = {
            id_: Done(agent_id, status, _input(packed), _options(options), seq, group_id)
            for id_, agent_id, status, packed, options, seq, group_id in await rows(_RUNS)
        }
        self._said: dict[str, list[Message]] = {}
        for run_id, _, body in await rows(_SAID):
            self._said.setdefault(run_id, []).append(_message(body))
        self._names = {id_: f"agent-{number}" for number, id_ in enumerate(self._clients.agents)}
        self._names |= {id_: id_ for id_ in self._gone}

    def _words(self, run_id: str) -> str:
        """What an agent said in a run, without what it said beside calls."""
        said = (one for one in self._said.get(run_id, []) if one.role == "assistant" and not one.tool_calls)
        return "\n".join(one.text for one in said if one.text)

    # ---- what was said to a group

    def _was_heard(self, one: Addressed) -> None:
        """Acknowledged: there once, and as its sender was told. Refused: not there. Unknown: at most once."""
        circle = self._circles[one.team]
        found = [each for each in self._rounds if any(said.otid == one.event.id for said in each.input)]
        if len(found) > 1 or (one.outcome == "refused" and found):
            self._breaks("a group's messages stay", f"{one.event.id} was {one.outcome}: {len(found)} rounds of it")
        if not circle.is_there(self._gone):
            return
        if one.outcome == "ok" and not found:
            self._breaks("a group's messages stay", f"{one.event.id} was acknowledged, and no round is of it")
        for each in found:
            if one.ended is not None and each.status != one.ended:
                self._breaks("what was told stays true", f"{one.event.id} heard {one.ended}; it {each.status}")
            self._was_shown(one, each)
            self._heard_of_the_end(one, each)

    def _was_shown(self, one: Addressed, each: Round) -> None:
        """Each turn, where one process had all of them; and nothing that is not there."""
        own = [turn.run_id for turn in each.turns]
        if one.run_ids is not None and self._world.plan.options.silos == 1 and one.run_ids != own:
            self._breaks("a round is shown whole", f"{one.event.id} was shown {one.run_ids} of {own}")
        if one.run_ids is not None:
            self.found["rounds shown"] += 1

    def _heard_of_the_end(self, one: Addressed, each: Round) -> None:
        """Who waits at a process that lives, long after the end, waits in vain. Of several processes one may finish
        what another is at: that one learns of it when it goes on, which takes as long as a model may be silent."""
        silo = one.life.rpartition(".")[0]
        if self._world.plan.options.silos > 1 or one.waited_until_ms is None or each.completed_at_ms is None:
            return
        clock_ahead_ms = self._world.host.clock.now_ms() - self._world.loop.virtual_ms
        waited_ms = one.waited_until_ms + clock_ahead_ms - each.completed_at_ms
        if waited_ms > _WAITED_MS:
            text = f"{one.event.id} waited at {silo} for {waited_ms:,.0f} ms after the round had ended"
            self._breaks("who waits hears of the end", text)

    # ---- turns

    def _no_turn_is_taken_twice(self, circle: Circle, rounds: Sequence[Round]) -> None:
        """Each run that a group began is one turn of one round."""
        turns = Counter(turn.run_id for one in rounds for turn in one.turns)
        begun = [
            run_id
            for run_id, run in self._runs.items()
            if run.options.group_id == circle.id and not run.options.callers
        ]
        self.found["turns"] += len(turns)
        for run_id in begun:
            if turns[run_id] != 1:
                whose = self._names.get(self._runs[run_id].agent_id)
                self._breaks("each turn is taken once", f"{run_id} of {whose} is {turns[run_id]} turns of a round")
        for one in rounds:
            for turn in one.turns:
                run = self._runs.get(turn.run_id)
                if turn.agent_id not in self._gone and (run is None or run.agent_id != turn.agent_id):
                    self._breaks("each turn is taken once", f"turn {turn.number} of {one.id} has no run of its agent")

    def _rounds_follow_each_other(self, circle: Circle, rounds: Sequence[Round]) -> None:
        """In the order in which they were acknowledged, and none begins while another one goes on."""
        turns = sorted(
            (self._runs[turn.run_id].seq, place)
            for place, one in enumerate(rounds)
            for turn in one.turns
            if turn.run_id in self._runs
        )
        places = [place for place, _ in itertools.groupby(place for _, place in turns)]
        if places != sorted(set(places)):
            self._breaks("a group's rounds follow each other", f"team of {circle.members}: rounds {places}")
        self.found["rounds that followed another"] += max(len(places) - 1, 0)

    def _was_in_order(self, circle: Circle, one: Round) -> None:
        took = [turn.agent_id for turn in one.turns]
        numbers = [turn.number for turn in one.turns]
        if numbers != list(range(len(numbers))) or one.status not in ("completed", "failed"):
            self._breaks("a round is said in turn", f"{one.id} {one.status}, with turns {numbers}")
        for turn in one.turns[:-1]:
            run = self._runs.get(turn.run_id)
            if run is not None and run.status != "completed":
                self._breaks("a round is said in turn", f"{one.id} went on after turn {turn.number} {run.status}")
        self.found[f"{circle.team.kind} {one.status}"] += 1
        why = {"round_robin": self._each_after_the_other, "supervisor": self._the_manager_answers}.get(
            circle.team.kind, self._as_chosen
        )(circle, one, took)
        if why is not None:
            names = ", ".join(self._names.get(agent_id, agent_id) for agent_id in took)
            self._breaks("a round is said in turn", f"{one.id} {one.status}: {names}; {why}")

    def _each_after_the_other(self, circle: Circle, one: Round, took: list[str]) -> str | None:
        """Those that are there to the end, in their order; whoever was deleted had no more turns than these."""
        stay = [member for member in circle.members if member not in self._gone]
        own = [agent_id for agent_id in took if agent_id in stay]
        in_order = [stay[at % len(stay)] for at in range(len(own))]
        if own != in_order and (stay == circle.members or circle.team.turns is None):
            return "not in the order of its members"
        if one.status != "completed":
            return None
        most = circle.team.turns or len(circle.members)
        if circle.team.turns is None and own != stay:
            return "not everybody had a turn"
        if len(took) > most or (stay == circle.members and len(took) != most):
            return f"there are {most} turns"
        return None

    def _the_manager_answers(self, circle: Circle, one: Round, took: list[str]) -> str | None:
        is_right = took == [circle.manager] or (not took and one.status == "failed")
        return None if is_right else "the manager has the turn"

    def _as_chosen(self, circle: Circle, one: Round, took: list[str]) -> str | None:
        """The manager, whom it chose, the manager again."""
        parts = [turn.part for turn in one.turns]
        if parts != ["manager" if at % 2 == 0 else "speaker" for at in range(len(parts))]:
            return f"their parts are {parts}"
        chosen = circle.members[0]
        if any(agent_id != (circle.manager if at % 2 == 0 else chosen) for at, agent_id in enumerate(took)):
            return "not the manager, and then whom it chose"
        if one.status == "completed" and len(took) != 2 * (circle.team.turns or 10):
            return "so many turns it has not"
        return None

    def _was_told(self, circle: Circle, one: Round) -> None:
        """Each hears the message in its first turn, and in each what others have said since its last, once."""
        before: dict[str, int] = {}
        for at, turn in enumerate(one.turns):
            run, since = self._runs.get(turn.run_id), before.get(turn.agent_id)
            before[turn.agent_id] = at
            if run is None:
                continue
            wanted: list[tuple[str | None, str]] = []
            if since is None:
                wanted = [(None, said.body.text) for said in one.input]
            for other in one.turns[0 if since is None else since + 1 : at]:
                words = self._words(other.run_id)
                if other.part == "speaker" and other.agent_id != turn.agent_id and words:
                    wanted.append((other.agent_id, f"{self._names[other.agent_id]}: {words}"))
            heard = [(said.sender, said.body.text) for said in run.input if said.sender != circle.id]
            heard = [one for one in heard if one[0] not in self._gone]
            wanted = [one for one in wanted if one[0] not in self._gone]
            if heard != wanted:
                text = f"turn {turn.number} of {one.id} heard {heard}, not {wanted}"
                self._breaks("what is said is heard once", text)
            kept = [said.text for said in self._said.get(turn.run_id, []) if said.role == "user"]
            if kept != [said.body.text for said in run.input]:
                self._breaks("what is said is heard once", f"turn {turn.number} of {one.id} keeps {kept}")
            self.found["words heard"] += sum(sender is not None for sender, _ in heard)

    # ---- whom a manager asks, and who is told in the background

    async def _were_asked_once(self) -> None:
        """Each agent once by one call; and what the call says is what they said."""
        asked: Counter[tuple[str, str | None, str]] = Counter()
        answers: dict[tuple[str, str | None, str], str] = {}
        for run_id, run in self._runs.items():
            if run.options.callers and (by := run.options.callers[-1]).tool_call_id:
                key = by.run_id, by.tool_call_id, run.agent_id
                asked[key] += 1
                answers[key] = self._words(run_id)
        for (run_id, _, agent_id), times in asked.items():
            if times > 1:
                self._breaks("an agent is asked once", f"{self._names[agent_id]} was asked {times} times by {run_id}")
        self.found["asked"] += len(asked)
        results = {one.tool_call_id: one.text for said in self._said.values() for one in said if one.role == "tool"}
        for run_id, call_id, state, is_error in await self._world.rows(_CALLS, IN_GROUP):
            if state != "done" or is_error:
                continue
            if call_id not in results:
                self._breaks("an answer is what was said", f"{call_id} of {run_id} is done, and there is no result")
                continue
            for one in json.loads(results[call_id]):
                said = answers.get((run_id, call_id, one["agent_id"]))
                if "reply" in one and one["agent_id"] not in self._gone and said != one["reply"]:
                    self._breaks("an answer is what was said", f"{one['name']} said {said!r}, not {one['reply']!r}")
                self.found["answered"] += "reply" in one

    async def _was_overheard(self, circle: Circle) -> None:
        """Every turn of the manager that ended well counts once; all that was said up to where the members were told is
        told to each of them, once."""
        group = (await self._get(f"/v1/groups/{circle.id}")).json
        counted = [
            run_id
            for run_id, run in self._runs.items()
            if run.agent_id == circle.manager
            and run.status == "completed"
            and len(run.options.callers) < CALL_DEPTH_MAX
        ]
        if group["turns_counter"] != len(counted):
            self._breaks("each turn is overheard once", f"{len(counted)} turns; {group['turns_counter']} were counted")
        due = len(counted) // (circle.team.turns or 5)
        upto = await self._world.rows("SELECT position FROM message WHERE id = ?", group["last_processed_message_id"])
        told_of = await self._world.rows(
            "SELECT body FROM message WHERE agent_id = ? AND role = 'user' AND position <= ? ORDER BY position",
            circle.manager,
            upto[0][0] if upto else -1,
        )
        texts = (_message(body).text for (body,) in told_of)
        wanted = Counter(f"user: {text}" for text in texts if text.startswith("op-"))
        for member in circle.members:
            if member in self._gone:
                continue
            tellings = [
                run
                for run in self._runs.values()
                if run.agent_id == member
                and run.options.group_id == circle.id
                and run.options.callers
                and not run.options.callers[-1].tool_call_id
            ]
            lines = Counter(
                line for run in tellings for line in run.input[0].body.text.split("\n") if line.startswith("user: op-")
            )
            self.found["tellings"] += len(tellings)
            if len(tellings) > due or bool(tellings) != bool(due):
                text = f"{self._names[member]} was told {len(tellings)} times in {due} times"
                self._breaks("each turn is overheard once", text)
            if lines != wanted:
                text = f"{self._names[member]} was told {dict(lines - wanted)} too often, {dict(wanted - lines)} never"
                self._breaks("each turn is overheard once", text)

    async def _get(self, path: str) -> Reply:
        return await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)
