"""What goes wrong, by name, and how often it really did.

A fault has a kind (`disk.sync_error`). Chance lets it happen (`rate`), or a test says exactly when (`plan`). Whoever
simulates the machine asks at every occasion (`happens`) and counts what it decides by itself (`fire`). A test of a
fault asserts its counter: one that injects nothing proves nothing.
"""

from collections import Counter
from dataclasses import dataclass

from umi.dst.rng import Rng

KINDS = {
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
    "clock.jump": "somebody sets the machine's clock",
    "clock.drift": "the machine's clock runs too fast or too slow",
}


@dataclass(slots=True)
class _Plan:
    where: str
    after: int
    times: int


class Faults:
    """The faults of one simulated thing.

    Chance is drawn from one fork per kind, so that turning one kind on moves no draw of another.
    """

    def __init__(self, rng: Rng) -> None:
        self.fired: Counter[str] = Counter()
        self.armed = False  # anything may happen at all: lets the ordinary path cost nothing
        self._rng = rng
        self._draws: dict[str, Rng] = {}
        self._rates: dict[str, tuple[float, str]] = {}
        self._plans: dict[str, list[_Plan]] = {}

    def rate(self, kind: str, probability: float, where: str = "") -> None:
        """From now on `kind` happens with this probability at each occasion, on names that end in `where`."""
        self._rates[_known(kind)] = (probability, where)
        self.armed = True

    def plan(self, kind: str, *, after: int = 0, times: int = 1, where: str = "") -> None:
        """Let `kind` happen `times` times, once `after` occasions on names that end in `where` went well."""
        self._plans.setdefault(_known(kind), []).append(_Plan(where, after, times))
        self.armed = True

    def stop(self) -> None:
        """Nothing happens any more. The counters stay."""
        self._rates.clear()
        self._plans.clear()
        self.armed = False

    def happens(self, kind: str, name: str = "") -> bool:
        """Whether `kind` happens now, on `name`; counted if it does."""
        if not self.armed:
            return False
        probability, where = self._rates.get(kind, (0.0, ""))
        # Planned first and both asked, so that a plan is not put off by chance.
        happens = self._planned(kind, name)
        if probability and name.endswith(where) and self.draws(kind).random() < probability:
            happens = True
        if happens:
            self.fire(kind)
        return happens

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
        self.fired[_known(kind)] += times

    def draws(self, kind: str) -> Rng:
        """The chance that decides the details of a fault of this kind."""
        if kind not in self._draws:
            self._draws[kind] = self._rng.fork(_known(kind))
        return self._draws[kind]


def _known(kind: str) -> str:
    assert kind in KINDS, f"there is no fault '{kind}'; there are {', '.join(KINDS)}"
    return kind
