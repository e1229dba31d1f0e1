"""The network between simulated nodes: messages that are late, lost, doubled or overtaken, and pipes that keep order.

A node is one life of one process: it joins with its Host, in the context of its incarnation, and leaves when it dies.
Everything it is sent is handled there. What was sent before a sender died still arrives.

Chance is keyed by content: a message's fate belongs to its link, its label, the event that caused it (`CAUSE`) and how
many like it there were. Taking one event out of a run does not change the fate of another one's messages.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from umi.dst.faults import Faults
from umi.dst.host import Host

# The event of a run that some work was begun for: inherited by every task it starts, carried along by messages.
CAUSE: ContextVar[str] = ContextVar("cause", default="")

# The mean delay of a run is drawn between these, on a logarithmic scale: a rack in one seed, two cities in another.
_LATENCY_MS_MIN, _LATENCY_MS_MAX = 0.1, 8.0
_TAIL_SHARE, _TAIL_FACTOR = 0.02, 20  # one message in fifty takes much longer
_DELAY_MS_MAX = 3_000
_REORDER_MS_MAX = 100
_RETRANSMIT_MS = 200  # until a stream sends a lost piece again

Receive = Callable[[str, bytes], None]


@dataclass(slots=True, eq=False)
class Node:
    """One life of one process.

    receive          called with (sender, message), in the node's context; may spawn tasks of its Host
    serve            the ASGI application that answers requests (see umi.dst.http), if there is one
    connections_max  open connections to it; one more is refused
    """

    name: str
    host: Host
    context: Context
    receive: Receive | None = None
    serve: Any = None
    connections_max: int | None = None
    connections: int = 0
    on_leave: dict[Any, Callable[[], None]] = field(default_factory=dict)  # of its open connections

    def run(self, cause: str, work: Callable[..., Any], *args: Any) -> Any:
        """Run something as this node, for the event that caused it."""
        context = self.context.copy()
        context.run(CAUSE.set, cause)
        return context.run(work, *args)


class SimNetwork:
    """host        of the world between the nodes, which never dies
    latency_ms  the mean delay; drawn from the host's chance unless given
    """

    def __init__(self, host: Host, faults: Faults, *, latency_ms: float | None = None) -> None:
        self._rng = host.rng.fork("network")
        spread = _LATENCY_MS_MAX / _LATENCY_MS_MIN
        drawn_ms = _LATENCY_MS_MIN * spread ** self._rng.share("latency")
        self.latency_ms = drawn_ms if latency_ms is None else latency_ms
        self.host = host
        self.faults = faults
        self.messages = 0
        self._loop = asyncio.get_running_loop()
        self._world = copy_context()  # deliveries belong to nobody: they outlive their sender
        self._nodes: dict[str, Node] = {}
        self._counts: Counter[str] = Counter()
        self._cuts: dict[tuple[str, str], list[str]] = {}  # link -> the faults that cut it
        self._held: dict[tuple[str, str], list[Callable[[], None]]] = {}
        self._arrived: Counter[tuple[str, str]] = Counter()  # the latest message of a link that has arrived

    # ---- nodes

    def join(self, name: str, host: Host, receive: Receive | None = None, serve: Any = None) -> Node:
        """Call it in the context of the node's incarnation: what it is sent runs there."""
        node = self._nodes[name] = Node(name, host, copy_context(), receive, serve)
        return node

    def leave(self, name: str) -> None:
        """The process died: its connections break, and messages to it go nowhere until somebody joins by that name."""
        node = self._nodes.pop(name, None)
        if node is not None:
            for hang_up in list(node.on_leave.values()):
                hang_up()

    def node(self, name: str) -> Node | None:
        return self._nodes.get(name)

    # ---- partitions

    def cut(self, source: str, target: str, kind: str) -> None:
        """Nothing passes from `source` to `target` any more; counted as `kind` when it keeps something back."""
        self._cuts.setdefault((source, target), []).append(kind)

    def mend(self, source: str, target: str, kind: str) -> None:
        """Undo one `cut`. What streams held back is sent now; messages are gone."""
        link = (source, target)
        kinds = self._cuts.get(link, [])
        if kind in kinds:
            kinds.remove(kind)
        if not kinds:
            self._cuts.pop(link, None)
            for arrive in self._held.pop(link, []):
                self._after(self._delay_ms(source, target, "held"), arrive)

    def mend_all(self) -> None:
        for source, target in list(self._cuts):
            for kind in list(self._cuts.get((source, target), ())):
                self.mend(source, target, kind)

    def _is_cut(self, link: tuple[str, str]) -> bool:
        kinds = self._cuts.get(link)
        if kinds:
            self.faults.fire(kinds[0])
        return bool(kinds)

    # ---- messages

    def send(self, source: str, target: str, label: str, message: bytes) -> None:
        """One message, which may arrive once, twice or never, and not in its turn. Nobody is told."""
        self.messages += 1
        link, name, cause = (source, target), f"{source}>{target}", CAUSE.get()
        key = self._key(name, label, cause)
        if self._is_cut(link) or self.faults.happens("network.loss", name, key):
            return
        copies = 2 if self.faults.happens("network.duplicate", name, key) else 1
        for copy in range(copies):
            delay_ms = self._late_ms(source, target, f"{key}/{copy}")
            self._after(delay_ms, self._deliver, link, self.messages, cause, message)

    def _deliver(self, link: tuple[str, str], number: int, cause: str, message: bytes) -> None:
        if self._is_cut(link):
            return
        if number < self._arrived[link]:
            self.faults.fire("network.reorder")
        self._arrived[link] = max(number, self._arrived[link])
        node = self._nodes.get(link[1])
        if node is not None and node.receive is not None:
            node.run(cause, node.receive, link[0], message)

    def _late_ms(self, source: str, target: str, key: str) -> float:
        """How long a message takes, faults included."""
        name, faults = f"{source}>{target}", self.faults
        delay_ms = self._delay_ms(source, target, key)
        if faults.happens("network.delay", name, key):
            delay_ms += _DELAY_MS_MAX * faults.share("network.delay", f"{key}/how long")
        if faults.decide("network.reorder", name, key):  # counted when another message really overtakes it
            delay_ms += _REORDER_MS_MAX * faults.share("network.reorder", f"{key}/how long")
        return delay_ms

    def _delay_ms(self, source: str, target: str, key: str) -> float:
        """An ordinary delay, long now and then."""
        share = self._rng.share(f"{source}>{target}/{key}")
        factor = _TAIL_FACTOR if share < _TAIL_SHARE else 1
        return self.latency_ms * factor * (0.3 + 1.4 * self._rng.share(f"{source}>{target}/{key}/delay"))

    def _key(self, name: str, label: str, cause: str) -> str:
        like_it = f"{name}/{label}/{cause}"
        self._counts[like_it] += 1
        return f"{like_it}/{self._counts[like_it]}"

    def _after(self, delay_ms: float, work: Callable[..., None], *args: Any) -> None:
        self._loop.call_later(delay_ms / 1000, work, *args, context=self._world)

    # ---- pipes

    def pipe(self, source: str, target: str, label: str) -> "Pipe":
        """One direction of a connection: what is put in comes out once and in order, as TCP promises."""
        return Pipe(self, source, target, label)

    def flow(self, pipe: "Pipe", *, matters: bool = True) -> None:
        """One more piece of a pipe is on its way: let it arrive after those before it. To one that does not matter any
        more, nothing happens."""
        name = f"{pipe.source}>{pipe.target}"
        key = self._key(name, pipe.label, CAUSE.get())
        if not matters:
            self._after(self._delay_ms(pipe.source, pipe.target, key), self._arrive, pipe)
            return
        delay_ms = self._late_ms(pipe.source, pipe.target, key)
        if self.faults.happens("network.loss", name, key):
            delay_ms += _RETRANSMIT_MS
        if self.faults.happens("network.disconnect", name, key):
            pipe.breaks = True
        self._after(delay_ms, self._arrive, pipe)

    def _arrive(self, pipe: "Pipe") -> None:
        link = (pipe.source, pipe.target)
        if self._is_cut(link):
            self._held.setdefault(link, []).append(lambda: self._arrive(pipe))
        else:
            pipe.deliver()


class Pipe:
    """`put` takes what is to happen when a piece arrives. A broken pipe delivers nothing more, and says so once."""

    def __init__(self, network: SimNetwork, source: str, target: str, label: str) -> None:
        self.source, self.target, self.label = source, target, label
        self.breaks = False  # the next piece to arrive finds the connection broken
        self.on_break: Callable[[], None] = lambda: None
        self._network = network
        self._pieces: deque[tuple[str, Callable[[], None]]] = deque()
        self._broken = False

    def put(self, arrived: Callable[[], None], *, matters: bool = True) -> None:
        self._pieces.append((CAUSE.get(), arrived))
        self._network.flow(self, matters=matters)

    def deliver(self) -> None:
        """The oldest piece arrives, whichever timer it was that came first."""
        if self._broken or not self._pieces:
            return
        if self.breaks:
            self.breaks = False
            self.on_break()
            return
        cause, arrived = self._pieces.popleft()
        token = CAUSE.set(cause)
        try:
            arrived()
        finally:
            CAUSE.reset(token)

    def stop(self) -> None:
        self._broken = True
        self._pieces.clear()
