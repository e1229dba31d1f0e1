"""What goes wrong, by name, and how often it really did.

A fault has a kind (`disk.sync_error`). Chance lets it happen (`rate`), or a test says exactly when (`plan`). Whoever
simulates the machine asks at every occasion (`happens`) and counts what it decides by itself (`fire`). A test of a
fault asserts its counter: one that injects nothing proves nothing.

The kinds here are those of a machine and its network. Another room's are handed to `Faults` by whoever knows that room.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from umi.dst.rng import Rng

DISK_KINDS = {
    "disk.read_error": "a read fails",
    "disk.short_read": "a read brings fewer bytes than the file has there",
    "disk.write_error": "a write fails, nothing is written",
    "disk.partial_write": "a write fails after some of its bytes were written",
    "disk.misdirected_write": "a write lands at another place, and reports success",
    "disk.full": "a write finds no space",
    "disk.sync_error": "a sync fails; what it should have kept stays to be synced",
    "disk.sync_forgotten": "a sync fails, and what it should have kept counts as written whether it got there or not",
    "disk.lying_sync": "a sync keeps nothing, and reports success",
    "disk.latency": "an operation takes long",
    "disk.bit_flip": "a bit at rest turns over",
    "disk.power_cut": "the power goes in the middle of the work: every later operation fails",
    "disk.crash_in_recovery": "the same, while what an earlier power cut left is recovered",
    "disk.lost_unsynced": "a power loss takes operations that were not synced",
    "disk.out_of_memory": "the process may allocate no more, in the middle of an operation",
}
NETWORK_KINDS = {
    "network.partition": "nothing passes between two nodes, either way",
    "network.one_way": "nothing passes from one node to another; the way back is open",
    "network.delay": "a message is late",
    "network.loss": "a message never arrives; a stream sends that piece again, later",
    "network.duplicate": "a message arrives twice",
    "network.reorder": "a message is overtaken by a later one",
    "network.slow_reader": "a client takes what it is sent very slowly",
    "network.disconnect": "a connection breaks in the middle",
    "network.connection_limit": "a node accepts no more connections",
}
CLOCK_KINDS = {
    "clock.jump_forward": "somebody sets a machine's clock forward",
    "clock.jump_back": "somebody sets a machine's clock back",
    "clock.skew": "a machine starts with a clock that is wrong by minutes",
    "clock.drift": "a machine's clock runs too slow, or too fast",
}
KINDS: Mapping[str, str] = MappingProxyType({**DISK_KINDS, **NETWORK_KINDS, **CLOCK_KINDS})


@dataclass(slots=True)
class _Plan:
    where: str
    after: int
    times: int


class Faults:
    """The faults of one simulated thing.

    Chance is drawn from one fork per kind, so that turning one kind on moves no draw of another. An occasion with a
    `key` draws by that key and not by its turn: taking one event out of a run changes no other one's fate, which is
    what lets a failing run shrink.

    kinds  what may happen, with a description of each
    """

    def __init__(self, rng: Rng, kinds: Mapping[str, str] = KINDS) -> None:
        self.kinds = kinds
        self.fired: Counter[str] = Counter()
        self.on_happening: Callable[[str, str], None] | None = None  # told (kind, name) of each one that `happens`
        self.armed = False  # anything may happen at all: lets the ordinary path cost nothing
        self._rng = rng
        self._draws: dict[str, Rng] = {}
        self._rates: dict[str, dict[str, float]] = {}  # kind -> where -> probability
        self._plans: dict[str, list[_Plan]] = {}

    def rate(self, kind: str, probability: float, where: str = "") -> None:
        """From now on `kind` happens with this probability at each occasion, on names that end in `where`; 0 ends
        that."""
        wheres = self._rates.setdefault(self._known(kind), {})
        wheres[where] = probability
        if not probability:
            del wheres[where]
        self.armed = True

    def plan(self, kind: str, *, after: int = 0, times: int = 1, where: str = "") -> None:
        """Let `kind` happen `times` times, once `after` occasions on names that end in `where` went well."""
        self._plans.setdefault(self._known(kind), []).append(_Plan(where, after, times))
        self.armed = True

    def stop(self) -> None:
        """Nothing happens any more. The counters stay."""
        self._rates.clear()
        self._plans.clear()
        self.armed = False

    def happens(self, kind: str, name: str = "", key: str | None = None) -> bool:
        """Whether `kind` happens now, on `name`; counted if it does."""
        if not self.decide(kind, name, key):
            return False
        self.fire(kind)
        if self.on_happening is not None:
            self.on_happening(kind, name)
        return True

    def decide(self, kind: str, name: str = "", key: str | None = None) -> bool:
        """The same, not counted: for a fault that only may come of it."""
        if not self.armed:
            return False
        # Planned first and both asked, so that a plan is not put off by chance.
        happens = kind in self._plans and self._planned(kind, name)
        wheres = self._rates.get(kind)
        if not wheres:
            return happens
        probability = max((p for where, p in wheres.items() if name.endswith(where)), default=0.0)
        if probability and (self.draws(kind).random() if key is None else self.share(kind, key)) < probability:
            happens = True
        return happens

    def share(self, kind: str, key: str) -> float:
        """A number in [0, 1) that belongs to `key`: for the details of a fault of this kind."""
        return self._rng.share(f"{self._known(kind)}/{key}")

    def _planned(self, kind: str, name: str) -> bool:
        for plan in self._plans.get(kind, ()):
            if not plan.times or not name.endswith(plan.where):
                continue
            if plan.after:
                plan.after -= 1
                continue
            plan.times -= 1
            return True
        return False

    def fire(self, kind: str, times: int = 1) -> None:
        """Count a fault that its simulator decided on."""
        self.fired[self._known(kind)] += times

    def draws(self, kind: str) -> Rng:
        """The chance that decides the details of a fault of this kind."""
        if kind not in self._draws:
            self._draws[kind] = self._rng.fork(self._known(kind))
        return self._draws[kind]

    def _known(self, kind: str) -> str:
        assert kind in self.kinds, f"there is no fault '{kind}'; there are {', '.join(self.kinds)}"
        return kind
