"""Faults as a plan has them: each begins at its moment, lasts its time, and is undone.

Kinds that have a rate are a window in which they happen by chance; the others happen once, to their lane.
"""

from collections.abc import Awaitable, Callable

from kelpie.simulate.machines.world import World
from kelpie.simulate.plans.plan import Event


class Nemesis:
    def __init__(self, world: World) -> None:
        self._world = world
        self._once: dict[str, Callable[[Event], Awaitable[None]]] = {
            "crash.silo": self._crash,
            "crash.store": self._crash,
            "crash.before_commit": self._trap,
            "crash.after_commit": self._trap,
            "crash.paused": self._pause,
            "disk.power_cut": self._power_cut,
            "disk.crash_in_recovery": self._crash_in_recovery,
            "disk.bit_flip": self._bit_flip,
            "network.partition": self._partition,
            "network.one_way": self._partition,
            "network.connection_limit": self._connection_limit,
            "clock.jump_forward": self._clock,
            "clock.jump_back": self._clock,
            "clock.skew": self._clock,
            "clock.drift": self._drift,
            "resource.queue_full": self._tighten,
            "resource.open_runs": self._tighten,
        }

    async def perform(self, event: Event) -> None:
        """Let it go wrong, for as long as the event says."""
        await self._once.get(event.kind, self._window)(event)

    async def _window(self, event: Event) -> None:
        """For a while it happens by chance; with `times`, that often from its next occasion on."""
        if "times" in event.args:
            self._tell(event, f"happens {event.args['times']} times on {event.lane or 'everything'}")
            self._world.faults.plan(event.kind, times=event.args["times"], where=event.lane)
            return
        self._tell(event, f"happens with a chance of {event.args['rate']:.0%} on {event.lane or 'everything'}")
        self._world.faults.rate(event.kind, event.args["rate"], event.lane)
        await self._lasts(event)
        self._world.faults.rate(event.kind, 0, event.lane)

    async def _lasts(self, event: Event) -> None:
        await self._world.host.clock.sleep(event.for_ms)

    async def _crash(self, event: Event) -> None:
        name = self._world.store_name if event.kind == "crash.store" else event.lane
        if self._world.kill(name, event.for_ms, event.id):
            self._world.faults.fire(event.kind)

    async def _trap(self, event: Event) -> None:
        self._world.traps[event.lane, event.kind] = event

    async def _pause(self, event: Event) -> None:
        if self._world.pause(event.lane, event.id):
            self._world.faults.fire(event.kind)
            await self._lasts(event)
            self._world.resume(event.lane, event.id)

    async def _power_cut(self, event: Event) -> None:
        """In the middle of what the disk does next."""
        self._tell(event, f"the power will fail {event.args['after']} operations from now")
        self._world.disk.cut_power_after(event.args["after"])

    async def _crash_in_recovery(self, event: Event) -> None:
        """Power fails now, and again while what that left is recovered."""
        self._world.recovery_cut = event.args["after"]
        self._world.lose_power(event.for_ms, event.id)

    async def _bit_flip(self, event: Event) -> None:
        files = self._world.disk.files.by_name
        name = next((name for name in sorted(files) if name.endswith(event.args["file"]) and files[name].data), None)
        if name is not None:
            bits = 8 * len(files[name].data)
            self._world.disk.flip_bit(name, int(event.args["where"] * bits))
            self._tell(event, f"a bit of {name} turns over")

    async def _partition(self, event: Event) -> None:
        one, _, other = event.lane.partition(">")
        links = [(one, other)] if event.kind == "network.one_way" else [(one, other), (other, one)]
        self._tell(event, f"nothing passes {' or '.join('>'.join(link) for link in links)}")
        for link in links:
            self._world.network.cut(*link, event.kind)
        await self._lasts(event)
        for link in links:
            self._world.network.mend(*link, event.kind)

    async def _connection_limit(self, event: Event) -> None:
        node = self._world.network.node(event.lane)
        if node is not None:
            node.connections_max = event.args["most"]
            await self._lasts(event)
            node.connections_max = None

    async def _clock(self, event: Event) -> None:
        clock, by_ms = self._world.clock_of(event.lane), event.args["by_ms"]
        if event.kind == "clock.skew":
            self._tell(event, f"the clock was wrong by {by_ms:,.0f} ms from the start")
            clock.skew(by_ms)
        else:
            self._tell(event, f"the clock is set by {by_ms:,.0f} ms")
            clock.jump(by_ms)

    async def _drift(self, event: Event) -> None:
        clock = self._world.clock_of(event.lane)
        clock.drift(event.args["parts_per_million"])
        await self._lasts(event)
        clock.drift(0)

    async def _tighten(self, event: Event) -> None:
        limits, name = self._world.limits, "runs_open" if event.kind == "resource.open_runs" else "mailbox_messages"
        setattr(limits, name, event.args["most"])
        self._world.apply_limits()
        await self._lasts(event)
        setattr(limits, name, None)
        self._world.apply_limits()

    def _tell(self, event: Event, text: str) -> None:
        self._world.story.tell(event.lane or "world", f"{event.kind}: {text}", "fault", event.id)
