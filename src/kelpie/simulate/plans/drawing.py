"""How a plan is drawn from a seed: operations and faults, dense or far apart, few keys or many."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from kelpie.simulate.clients.clients import CLIENTS
from kelpie.simulate.machines.toolbox import RING
from kelpie.simulate.machines.warehouse import DAYS, FIRST
from kelpie.simulate.plans.plan import Event, Options, Plan, Team
from kelpie.tools.others import IN_GROUP
from umi.dst.rng import Rng

T = TypeVar("T")
_FOUNDERS = ("Stark", "Soylent", "Vandelay", "Tyrell", "Wonka", "Weyland", "Duff", "Bluth", "Omni", "Prescott")
# Companies that the extractor knows for such by their names: that the last one holds is a promise about claims.
EMPLOYERS = tuple(f"{founder} {kind}" for founder in _FOUNDERS for kind in ("Corporation", "Industries", "Company"))
# Races are found where work is close together; recovery where it is far apart. A seed is one or the other.
_SPREADS_MS = (60.0, 1_000.0, 12_000.0, 90_000.0)


class Draft:
    """A plan in the making. Everything is drawn from one rng, in order: a plan is data, and shrinks as data."""

    def __init__(self, scenario: str, seed: int) -> None:
        self.scenario, self.seed = scenario, seed
        self.rng = Rng(f"{scenario}/{seed}/plan")
        self.spread_ms = self.pick(_SPREADS_MS)
        self.begins_ms = 0.0  # of what is drawn from here on
        self.density = 1  # how often everything is drawn that is drawn several times
        self.options = Options()
        self.events: list[Event] = []
        self._asked_about: set[int] = set()  # last days of questions

    # ---- chance

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.rng.randint(0, len(choices) - 1)]

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def between(self, low: float, high: float) -> float:
        """On a logarithmic scale."""
        return round(float(low * (high / low) ** self.rng.random()), 1)

    def moment(self, share: float = 1.0) -> float:
        return round(self.begins_ms + self.rng.random() * self.spread_ms * share, 1)

    # ---- the world

    def house(self, *, silos: int = 1, remote: bool | None = None, agents: int | None = None, **more: Any) -> None:
        self.options = Options(
            silos=silos,
            remote=silos > 1 if remote is None else remote,
            agents=agents or self.rng.randint(1, 4),
            wire=self.pick(("openai", "anthropic")),
            idle_ms=self.pick((200, 20_000, 300_000)),
            sector_bytes=self.pick((512, 4096)),
            **more,
        )
        self._employers = list(EMPLOYERS)

    @property
    def silos(self) -> list[str]:
        return [f"silo-{number}" for number in range(1, self.options.silos + 1)]

    @property
    def links(self) -> list[str]:
        """Every way that something can take."""
        silos = self.silos
        links = [f"{silo}>model" for silo in silos] + [f"client-{n}>{silo}" for n in range(CLIENTS) for silo in silos]
        return links + [f"{silo}>store" for silo in silos] if self.options.remote else links

    # ---- operations

    def op(self, kind: str, *, at_ms: float | None = None, **args: Any) -> Event:
        number = sum(not event.is_fault for event in self.events) + 1
        name = f"op-{number}"
        args = {key: value.replace("{id}", name) if isinstance(value, str) else value for key, value in args.items()}
        moment = self.moment() if at_ms is None else at_ms
        event = Event(id=name, at_ms=moment, kind=kind, lane=f"client-{number % CLIENTS}", args=args)
        self.events.append(event)
        return event

    def ops(self, count: int, kinds: str) -> None:
        """`kinds` are names of operations, the more often the likelier."""
        for _ in range(count * self.density):
            kind = self.pick(kinds.split())
            if kind == "send":
                self.send()
            elif kind in ("write", "read"):
                self.op(kind)
            elif kind == "dismiss":
                self.op(kind, agent=self.options.agents + self.rng.randint(0, max(self.options.guests - 1, 0)))
            else:
                self.op(kind, agent=self.agent())

    def agent(self) -> int:
        return self.rng.randint(0, self.options.agents + self.options.guests - 1)

    def send(
        self,
        *,
        agent: int | None = None,
        mode: str | None = None,
        text: str | None = None,
        leaves: float = 0.2,
        at_ms: float | None = None,
    ) -> None:
        """A message to an agent; `leaves` is the chance that the reader of a stream goes away in the middle."""
        mode = mode or self.pick(("wait", "wait", "stream", "tokens", "async"))
        args: dict[str, Any] = {}
        if mode in ("stream", "tokens") and self.chance(leaves):
            args["leaves_after"] = self.rng.randint(1, 6)
        if self.chance(0.1):
            args["max_steps"] = self.rng.randint(1, 3)
        agent = self.agent() if agent is None else agent
        self.op("send", at_ms=at_ms, agent=agent, mode=mode, text=text or self.script(), **args)

    def tell(self, *, agent: int | None = None, directives: str = "", at_ms: float | None = None) -> None:
        """Somebody tells an agent where they work now: each time somewhere else, and only the last of it holds."""
        if not self._employers:
            return
        employer = self._employers.pop(self.rng.randint(0, len(self._employers) - 1))
        text = f"I work at {employer}. {directives}".strip()
        agent = self.agent() if agent is None else agent
        mode = self.pick(("wait", "stream", "async"))
        self.op("send", at_ms=at_ms, agent=agent, mode=mode, text=text, employer=employer, bare=True)

    def remind(self) -> None:
        """An agent is to be sent a message after a while: when everything is going wrong, or long after."""
        after_ms = int(self.between(1, 4 * self.spread_ms))
        self.op("remind", agent=self.rng.randint(0, self.options.agents - 1), after_ms=after_ms)

    def approve(self) -> None:
        """A message whose calls need an answer, which comes at once, late, after the question's time, or never."""
        assert self.options.approval_ms is not None, "somebody is asked"
        how, count = self.pick(("tool", "par")), self.rng.randint(1, 2)
        rings = " ".join(call(how, "ring", what=f"{{id}}.{number}") for number in range(count))
        self.op(
            "approve",
            agent=self.agent(),
            mode=self.pick(("wait", "stream", "async")),
            text=f"{rings} [[say:done {{id}}]]",
            word=self.pick(("yes", "yes", "yes", "no", "nothing")),
            after_ms=round(self.between(1, 2 * self.options.approval_ms)),
        )

    def converse(self) -> None:
        """Several conversations, some of them with one agent: begun, talked in, forked, and a few deleted."""
        names = [f"talk{number}" for number in range(self.rng.randint(2, 4))]
        for name in names:
            self.op("begin", at_ms=self.moment(0.1), name=name, agent=self.agent())
        for number in range(self.rng.randint(1, 3)):
            source = self.pick((*names, "main"))
            names.append(f"fork{number}")
            self.op("fork", at_ms=self.late(0.2), name=names[-1], source=source, agent=self.agent())
        for _ in range(self.rng.randint(7, 14)):
            search = f"{call('tool', 'conversation_search', query='done')} " if self.chance(0.2) else ""
            slow = f"[[delay_ms:{int(self.between(1, 2_000))}]] " if self.chance(0.4) else ""
            self.op("talk", at_ms=self.late(0.1), room=self.pick(names), text=f"{search}{slow}[[say:done {{id}}]]")
        for _ in range(self.rng.randint(0, 2)):
            self.op("drop", at_ms=self.late(0.5), room=self.pick(names))

    def late(self, share: float) -> float:
        """A moment after the first part of the time."""
        return round(self.begins_ms + self.spread_ms * (share + (1 - share) * self.rng.random()), 1)

    def follow(self, more: str = "") -> None:
        """A run in the background, read by whoever sent the message (`more` is in it as well) and by others who come
        later: each of them may leave a few times, and comes back."""
        words = f"[[n:{self.rng.randint(3, 12)}]]" if self.chance(0.6) else "[[say:done {id}]]"
        steps = " ".join(self._step() for _ in range(self.rng.randint(0, 2)))
        thinks = "[[think:let me see]]" if self.chance(0.3) else ""
        pace = f"[[pace_ms:{int(self.between(2, 400))}]]"
        text = " ".join(part for part in (steps, thinks, pace, words, more) if part)
        mode = self.pick(("tokens", "tokens", "tokens", "steps"))
        self.op("follow", agent=self.agent(), mode=mode, text=text, **self._leaving())
        sent = self.events[-1]
        for _ in range(self.pick((0, 1, 1, 2))):
            self.op("join", at_ms=round(sent.at_ms + self.between(5, 6_000), 1), of=sent.id, **self._leaving())

    def _leaving(self) -> dict[str, Any]:
        """After how many chunks a reader leaves, each time, and for how long."""
        if self.chance(0.3):
            return {}
        times = [self.rng.randint(1, 6) for _ in range(self.rng.randint(1, 3))]
        return {"leaves_after": times, "rest_ms": round(self.between(1, 3_000), 1)}

    def teams(self) -> None:
        """One or two groups of the agents, and perhaps one that is told in the background; and what is said to them."""
        everybody = list(range(self.options.agents + self.options.guests))
        made: list[Team] = []
        for _ in range(self.rng.randint(1, 2)):
            kind = self.pick(("round_robin", "round_robin", "supervisor", "dynamic"))
            first = self.rng.randint(0, self.options.agents - 1)  # a guest may be deleted, and its group with it
            order = (*everybody[first:], *everybody[:first])
            if kind == "round_robin":
                order = self.pick((order, order[::-1]))
                made.append(Team("round_robin", order, turns=self.pick((None, None, 2, len(order) + 1))))
            elif kind == "supervisor":
                made.append(Team("supervisor", order[1:], manager=order[0]))
            else:
                made.append(Team("dynamic", order[1:], manager=order[0], turns=self.rng.randint(1, 2)))
        for _ in range(self.rng.randint(3, 7)):
            self._address(self.rng.randint(0, len(made) - 1), made)
        if self.chance(0.15):
            self.op("disband", team=self.rng.randint(0, len(made) - 1))
        if self.chance(0.6):
            made.append(Team("sleeptime", (self.options.agents - 1,), manager=0, turns=self.rng.randint(1, 2)))
        self.options = msgspec.structs.replace(self.options, teams=tuple(made))

    def _address(self, team: int, made: Sequence[Team]) -> None:
        """A message to a group: what it makes the first speaker say makes the next one say something, and so on."""
        args: dict[str, Any] = {"mode": self.pick(("wait", "stream"))}
        if args["mode"] == "stream" and self.chance(0.2):
            args["leaves_after"] = self.rng.randint(1, 6)
        slow = f"[[delay_ms:{int(self.between(1, 2_000))}]]"
        last = self.pick(("[[say:{id} third]]", call("tool", RING, what="{id}.2"), slow))
        said = f"[[say:{{id}} first [[say:{{id}} second {last}]]]]"
        if made[team].kind == "supervisor":
            report = f"{{id}} asks {self.pick(('[[say:{id} well]]', call('tool', RING, what='{id}.3')))}"
            said = f"{call('tool', IN_GROUP, message=report)} [[say:{{id}} all is well]]"
        ring = f"{call('tool', RING, what='{id}.0')} " if self.chance(0.4) else ""
        self.op("address", team=team, text=f"{ring}{f'{slow} ' if self.chance(0.3) else ''}{said}", **args)

    def ask(self) -> None:
        """Somebody asks where they work."""
        self.send(text="[[say:let me think]] Where do I work?")

    def question(self, about: str, person: int | None = None) -> None:
        """Somebody asks the analyst, about days that nobody else asks about."""
        last = self.pick([day for day in range(1, DAYS) if day not in self._asked_about])
        self._asked_about.add(last)
        first = self.rng.randint(0, last - 1)
        args: dict[str, Any] = {"mode": self.pick(("wait", "stream"))}
        if args["mode"] == "stream" and self.chance(0.2):
            args["leaves_after"] = self.rng.randint(1, 6)
        if person is not None:
            args["person"] = person
        self.op("question", about=about, first=_iso(first), last=_iso(last), **args)

    def script(self) -> str:
        """What the message makes the model do: up to three steps, with one call or several each."""
        parts = [self._step() for _ in range(self.rng.randint(0, 3))]
        if self.chance(0.3):
            parts.append(f"[[think:hmm]] [[pace_ms:{self.rng.randint(1, 30)}]]")
        parts.append(self.pick(("[[say:done {id}]]", "[[n:12]]", "[[say:yes]]")))
        return " ".join(parts)

    def rambling(self) -> str:
        """Words that take room and mean nothing."""
        return "so it goes " * self.rng.randint(60, 200)

    def rings(self) -> str:
        """One to three calls of the tool that acts outside, one a step."""
        calls = [call("tool", "ring", what=f"{{id}}.{number}") for number in range(self.rng.randint(1, 3))]
        return " ".join([*calls, "[[say:done {id}]]"])

    def scribbles(self) -> str:
        """One to three changes of the block that all tools share: lines added, or added and replaced."""
        changes = []
        for number in range(self.rng.randint(1, 3)):
            line = f"{{id}}.{number}"
            added = call("tool", "core_memory_append", label="log", content=line)
            changes.append(self.pick((added, _redrafted("log", line))))
        return " ".join([*changes, "[[say:done {id}]]"])

    def _step(self) -> str:
        number = self.rng.randint(1, 10**6)
        line = f"{{id}}.{number}"
        return self.pick(
            (
                call("tool", "core_memory_append", label="notes", content=line),
                call("tool", "core_memory_append", label="log", content=line),
                call("tool", "ring", what=line),
                call("tool", "ring", what=line),
                call("tool", "archival_memory_insert", content=f"fact {line.replace('-', '').replace('.', 'x')}"),
                call("tool", "archival_memory_search", query="fact"),
                call("tool", "conversation_search", query="hello"),
                _redrafted(self.pick(("notes", "log")), line),
            )
        )

    # ---- faults

    def fault(self, kind: str, lane: str = "", *, at_ms: float | None = None, for_ms: float = 0.0, **args: Any) -> None:
        number = sum(event.is_fault for event in self.events) + 1
        moment = self.moment() if at_ms is None else at_ms
        self.events.append(
            Event(id=f"fault-{number}", at_ms=moment, kind=kind, lane=lane, for_ms=round(for_ms, 1), args=args)
        )

    def window(self, kind: str, lane: str = "", *, low: float = 0.02, high: float = 0.4) -> None:
        """A while in which it happens by chance, or a few times that are certain."""
        if self.chance(0.3):
            self.fault(kind, lane, times=self.rng.randint(1, 3))
            return
        rate = round(low * (high / low) ** self.rng.random(), 3)
        self.fault(kind, lane, for_ms=self.between(max(20, self.spread_ms / 20), max(2_000, self.spread_ms)), rate=rate)

    def windows(self, kinds: str, count: int, lanes: Any = ("",), **rates: float) -> None:
        for _ in range(count * self.density):
            self.window(self.pick(kinds.split()), self.pick(lanes), **rates)

    def crashes(self, count: int, *, soon_after: Sequence[float] = ()) -> None:
        """Of processes, at any moment or at the edge of a commit, and of the machine with the disk; `soon_after` one of
        these moments, if there are any."""
        kinds = ["crash.silo", "crash.silo", "crash.before_commit", "crash.after_commit", "crash.store"]
        for _ in range(count * self.density):
            kind = self.pick((*kinds, "disk.power_cut", "disk.crash_in_recovery"))
            down_ms = self.between(50, 8_000)
            at_ms = round(self.pick(soon_after) + self.between(5, 5_000), 1) if soon_after else self.moment()
            if kind == "disk.power_cut":
                self.fault(kind, at_ms=at_ms, after=self.rng.randint(0, 60))
            elif kind == "disk.crash_in_recovery":
                self.fault(kind, at_ms=at_ms, for_ms=down_ms, after=self.rng.randint(0, 30))
            elif kind == "crash.store":
                lane = "store" if self.options.remote else self.silos[0]
                self.fault(kind, lane, at_ms=at_ms, for_ms=down_ms)
            else:
                self.fault(kind, self.pick(self.silos), at_ms=at_ms, for_ms=down_ms)

    def partitions(self, count: int) -> None:
        """Half of them between a silo and its store, if that is elsewhere: who waits there can't know what happened."""
        stores = [link for link in self.links if link.endswith(">store")]
        for _ in range(count):
            kind = self.pick(("network.partition", "network.one_way"))
            link = self.pick(stores if stores and self.chance(0.5) else self.links)
            for_ms = self.between(2_000 if link in stores else 100, 20_000)  # a silo asks its store for 3 s
            if kind == "network.one_way" and self.chance(0.5):
                link = ">".join(reversed(link.split(">")))
            self.fault(kind, link, for_ms=for_ms)

    def clocks(self, count: int) -> None:
        for _ in range(count):
            kind, silo = (
                self.pick(("clock.jump_forward", "clock.jump_back", "clock.skew", "clock.drift")),
                self.pick(self.silos),
            )
            if kind == "clock.drift":
                self.fault(
                    kind, silo, for_ms=self.between(500, 60_000), parts_per_million=self.pick((-300_000, 200_000))
                )
            else:
                by_ms = self.between(500, 7_200_000) * (-1 if kind == "clock.jump_back" else 1)
                self.fault(kind, silo, at_ms=0.0 if kind == "clock.skew" else None, by_ms=by_ms)

    def plan(self) -> Plan:
        events = sorted(self.events, key=lambda event: event.at_ms)
        return Plan(scenario=self.scenario, seed=self.seed, options=self.options, events=tuple(events))


def _redrafted(label: str, line: str) -> str:
    """Two calls of one step. The second sees what the first one wrote, although neither is committed."""
    draft, final = f"{line} draft", f"{line} final"
    added = call("par", "core_memory_append", label=label, content=draft)
    return f"{added} {call('par', 'core_memory_replace', label=label, old_content=draft, new_content=final)}"


def _iso(day: int) -> str:
    """A day of the warehouse's year, from 0."""
    return (FIRST + dt.timedelta(days=day)).isoformat()


def call(how: str, name: str, **arguments: Any) -> str:
    """A directive of the scripted model."""
    return f"[[{how}:{name} {json.dumps(arguments)}]]"
