"""What must hold at every moment, seen from inside: an outer layer may absorb what an inner one does wrong.

one activation      a silo never has two living activations of one actor
epoch never falls   no activation commits after a later one was claimed; its positions grow
commit before event nothing is shown as final whose commit had not begun (that it stays is looked at in the end)
known results       no data source is asked again for what a durable result of the same question says
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kelpie.events import ActivationChanged, Event
from umi.storage import Write

Broken = Callable[[str, str], None]

_CLAIM = "INSERT INTO placement"
_FENCE = "UPDATE placement"
_FORGET = "DELETE FROM placement"
_MESSAGE = "INSERT INTO message VALUES"
_RESULT = re.compile(r"INSERT INTO analyst_query \((.+?)\)")


@dataclass(slots=True)
class _Actor:
    claims: int = 0  # durable ones: its epoch is at least that
    epoch: int = 0  # of the newest durable commit
    position: int = -1


class Invariants:
    """A watcher of commits (kelpie.simulate.machines.watch) and of the events of every silo."""

    def __init__(self, broken: Broken) -> None:
        self._broken = broken
        self._actors: dict[tuple[Any, ...], _Actor] = {}
        self._begun: set[str] = set()
        self._living: dict[tuple[str, str], int] = {}
        self._known: set[str] = set()  # the SQL of results; in a world no two questions come to the same
        self.commits = self.claims = self.fenced = 0

    # ---- commits

    def begins(self, writes: Sequence[Write]) -> None:
        self._begun.update(one.params[1] for one in writes if one.sql.startswith(_MESSAGE))

    def durable(self, writes: Sequence[Write]) -> None:
        self.commits += 1
        for write in writes:
            if write.sql.startswith(_FENCE):
                self._fenced(write.params)
            elif write.sql.startswith(_CLAIM):
                self.claims += 1
                self._actors.setdefault(write.params[:3], _Actor()).claims += 1
            elif write.sql.startswith(_FORGET):
                self._actors.pop(write.params[:3], None)
            elif found := _RESULT.match(write.sql):
                result = dict(zip(found[1].split(", "), write.params, strict=True))
                if json.loads(result["verdict"])["outcome"] == "run":
                    self._known.add(result["sql"])

    def _fenced(self, params: tuple[Any, ...]) -> None:
        self.fenced += 1
        *who, epoch, position = params
        actor = self._actors.setdefault(tuple(who), _Actor())
        newest = max(actor.epoch, actor.claims)
        if epoch < newest:
            self._broken("epoch never falls", f"{who[-1]}: epoch {epoch} committed after epoch {newest} was claimed")
        if position <= actor.position:
            self._broken("epoch never falls", f"{who[-1]}: position {position} was written twice")
        actor.epoch, actor.position = max(epoch, actor.epoch), max(position, actor.position)

    def forget(self) -> None:
        """A backup was restored: epochs and positions are those of then."""
        self._actors.clear()
        self._known.clear()

    # ---- what clients are shown

    def shown_as_final(self, message_id: str, to: str) -> None:
        """A commit whose caller died before it heard of it counts as well: it began, and the store may have it."""
        if message_id not in self._begun:
            self._broken("commit before event", f"{to} was shown {message_id}, which nobody had begun to commit")

    # ---- what data sources are asked

    def asked(self, sql: str, life: str) -> None:
        if sql in self._known:
            self._broken("a known result is not asked for again", f"{life} asks: {sql}")

    # ---- activations

    def listener(self, life: str) -> Callable[[Event], None]:
        """For the events of one life of a silo."""

        def listen(event: Event) -> None:
            if isinstance(event, ActivationChanged):
                self._activation(life, event)

        return listen

    def _activation(self, life: str, event: ActivationChanged) -> None:
        key = (life, event.actor)
        living = self._living.get(key, 0) + (1 if event.change == "activated" else -1)
        self._living[key] = living
        if living not in (0, 1):
            self._broken("one activation", f"{life} has {living} activations of {event.actor}")
