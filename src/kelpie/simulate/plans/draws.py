"""What each scenario draws from its seed: a mix of operations and faults."""

from kelpie.simulate.machines.connection import CONNECTION_KINDS
from kelpie.simulate.machines.fault_points import STORE_KINDS
from kelpie.simulate.plans.drawing import Draft, call
from kelpie.simulate.plans.filing import file
from umi.embed.simulated import KINDS as EMBEDDER_KINDS

WEATHER = "network.loss network.duplicate network.delay network.reorder network.disconnect"
BAD_DISK = (
    "disk.read_error disk.write_error disk.partial_write disk.full disk.sync_error disk.latency disk.out_of_memory"
)
ROT = "disk.short_read disk.misdirected_write disk.sync_forgotten disk.lying_sync"
BAD_MODEL = (
    "model.timeout model.rate_limit model.server_error model.malformed model.cut_stream model.wrong_arguments"
    " model.unknown_tool model.empty_reply model.context_overflow"
)
BAD_TOOL = (
    "tool.raise tool.hang tool.crash_before_effect tool.crash_after_effect tool.huge_output resource.memory_limit"
    " tool.no_place tool.no_level"
)
_LOST_FILES = "store.workspace_write"
BAD_FILES = "store.file_read store.file_write"
_LOST_ROUNDS = "store.group_write"
BAD_STORE = " ".join(kind for kind in STORE_KINDS if kind not in (_LOST_FILES, _LOST_ROUNDS, *BAD_FILES.split()))
BAD_EMBEDDER = " ".join(EMBEDDER_KINDS)
TALK = "send send send write read insert search list edit look"


def turn_under_crash(draft: Draft) -> None:
    draft.house(silos=1, remote=draft.chance(0.4), agents=draft.rng.randint(1, 2))
    draft.ops(draft.rng.randint(3, 10), "send send send insert")
    draft.crashes(draft.rng.randint(1, 4))


def shared_block(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(1, 3), agents=draft.rng.randint(2, 4), routing=draft.pick(("agent", "any")))
    for _ in range(draft.rng.randint(6, 14)):
        kind = draft.pick(("send", "write", "write", "read"))
        if kind == "send":
            draft.send()
        else:
            draft.op(kind)
    for moment in [draft.moment() for _ in range(draft.rng.randint(0, 2))]:  # all of them at once
        for agent in range(draft.options.agents):
            draft.send(agent=agent, text=draft.scribbles(), at_ms=moment)
    draft.windows(WEATHER, draft.rng.randint(0, 2), draft.links)
    draft.crashes(draft.rng.randint(0, 1))


def vanishing_readers(draft: Draft) -> None:
    draft.house(silos=1, agents=draft.rng.randint(1, 3))
    for _ in range(draft.rng.randint(4, 12)):
        draft.send(mode=draft.pick(("stream", "tokens")), leaves=0.6)
    draft.windows("network.slow_reader network.disconnect network.delay", draft.rng.randint(1, 4), high=0.6)
    if draft.chance(0.4):
        draft.fault(
            "network.connection_limit", "silo-1", for_ms=draft.between(100, 20_000), most=draft.rng.randint(0, 2)
        )
    draft.ops(3, "list read")


def runs_resume(draft: Draft) -> None:
    """Slow models and tools that act outside: whatever stops the process, stops it in the middle of a run."""
    draft.house(silos=draft.pick((1, 1, 2)), agents=draft.rng.randint(1, 2))
    for _ in range(draft.rng.randint(2, 6)):
        slow = f"[[delay_ms:{int(draft.between(1, 2_000))}]]"
        draft.send(mode=draft.pick(("async", "wait", "stream")), text=f"{draft.rings()} {slow}")
    draft.crashes(draft.rng.randint(1, 5), soon_after=[event.at_ms for event in draft.events])
    draft.windows("crash.surprise", draft.rng.randint(0, 2), draft.silos, low=0.1, high=1.0)


def recall_while_writing(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(1, 2), agents=draft.rng.randint(1, 2))
    draft.ops(draft.rng.randint(8, 18), "insert insert insert search search list send")
    draft.windows(f"{WEATHER} disk.latency", draft.rng.randint(0, 2))
    draft.windows(BAD_STORE, draft.rng.randint(0, 4), low=0.05, high=1.0)
    draft.crashes(draft.rng.randint(0, 2))


def superseded_facts(draft: Draft) -> None:
    """Several agents with one memory: people say where they work now, and ask, through any of them."""
    silos = draft.rng.randint(1, 3)
    draft.house(silos=silos, agents=draft.rng.randint(2, 4), memory="user:sim", embeds=draft.chance(0.6))
    for _ in range(draft.rng.randint(5, 12)):
        draft.ask() if draft.chance(0.4) else draft.tell()
    for moment in [draft.moment() for _ in range(draft.rng.randint(0, 2))]:  # several at once
        for agent in range(draft.options.agents):
            draft.tell(agent=agent, at_ms=moment)
    draft.windows(BAD_STORE, draft.rng.randint(0, 3), low=0.05, high=1.0)
    if draft.options.embeds:
        draft.windows(BAD_EMBEDDER, draft.rng.randint(1, 3), low=0.2, high=1.0)
    else:  # what embeds behind the write stops at a bug of ours, and says so
        draft.windows("crash.surprise", draft.rng.randint(0, 1), draft.silos, low=0.05, high=0.5)
    draft.crashes(draft.rng.randint(0, 3), soon_after=[event.at_ms for event in draft.events if not event.is_fault])


def promoted_blocks(draft: Draft) -> None:
    """What people say becomes lines of core memory, in blocks that people and tools write into as well."""
    draft.house(silos=draft.rng.randint(1, 2), agents=draft.rng.randint(1, 2), embeds=draft.chance(0.2))
    for _ in range(draft.rng.randint(5, 12)):
        agent = draft.agent()
        kind = draft.pick(("tell", "tell", "line", "annotate", "annotate", "review", "edit"))
        if kind == "tell":
            draft.tell(agent=agent)
        elif kind == "line":
            line = call("tool", "core_memory_append", label="persona", content="{id}.1")
            draft.send(agent=agent, text=f"{line} [[say:done {{id}}]]")
        else:
            draft.op(kind, agent=agent)
    draft.windows(BAD_STORE, draft.rng.randint(0, 3), low=0.05, high=1.0)
    draft.windows("disk.latency", draft.rng.randint(0, 1))
    draft.crashes(draft.rng.randint(0, 2), soon_after=[event.at_ms for event in draft.events if not event.is_fault])


def hot_agent(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(1, 2), remote=draft.chance(0.5) or None, agents=4)
    draft.spread_ms = min(draft.spread_ms, 1_000.0)
    for _ in range(draft.rng.randint(8, 16)):
        draft.send(agent=0 if draft.chance(0.7) else None)
    for kind in ("resource.queue_full", "resource.open_runs"):
        if draft.chance(0.6):
            draft.fault(kind, at_ms=draft.moment(0.3), for_ms=draft.between(200, 5_000), most=draft.rng.randint(1, 3))
    if draft.options.remote:
        draft.partitions(draft.rng.randint(0, 2))
    else:
        draft.windows(BAD_DISK, draft.rng.randint(0, 2), low=0.01, high=0.3)
    draft.ops(3, "list read")


def paused_silo(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(2, 4), agents=draft.rng.randint(1, 3), routing=draft.pick(("agent", "any")))
    draft.ops(draft.rng.randint(5, 12), TALK)
    for _ in range(draft.rng.randint(1, 4)):
        draft.fault("crash.paused", draft.pick(draft.silos), for_ms=draft.between(200, 60_000))
    draft.crashes(draft.rng.randint(0, 1))


def partition(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(1, 4), remote=True, routing=draft.pick(("agent", "any")))
    draft.ops(draft.rng.randint(5, 14), TALK)
    draft.partitions(draft.rng.randint(0, 4))
    draft.windows(WEATHER, draft.rng.randint(1, 5), ("", "", "store", *draft.links))


def dying_disk(draft: Draft) -> None:
    draft.house(silos=1, remote=draft.chance(0.3), agents=draft.rng.randint(1, 3))
    draft.ops(draft.rng.randint(5, 12), TALK)
    draft.windows(BAD_DISK, draft.rng.randint(2, 5), ("", "", "-wal", "store.db"), low=0.01, high=0.5)
    if draft.chance(0.5):
        draft.fault("disk.power_cut", after=draft.rng.randint(0, 80))


def rotten_disk(draft: Draft) -> None:
    """The disk lies and forgets. Nobody is promised what was said to it; the house stays up, says so, and what was
    acknowledged before the last backup is there when that is restored."""
    draft.house(silos=1, agents=draft.rng.randint(1, 2), backup_at_ms=draft.spread_ms + 1)
    draft.ops(draft.rng.randint(3, 6), TALK)
    draft.begins_ms = draft.spread_ms + 2
    draft.ops(draft.rng.randint(3, 8), "send")
    draft.windows(ROT, draft.rng.randint(1, 3), high=0.5)
    for _ in range(draft.rng.randint(0, 3)):
        draft.fault("disk.bit_flip", file=draft.pick(("store.db", "-wal")), where=round(draft.rng.random(), 4))
    draft.crashes(draft.rng.randint(1, 2))


def restart_storm(draft: Draft) -> None:
    draft.house(silos=draft.rng.randint(1, 3), agents=draft.rng.randint(1, 3), guests=draft.rng.randint(0, 1))
    draft.ops(draft.rng.randint(8, 18), TALK)
    draft.crashes(draft.rng.randint(4, 10))
    draft.ops(draft.options.guests, "dismiss")


def questions_under_crash(draft: Draft) -> None:
    """People ask the analyst, over a connection that is slow and breaks, on a server that dies."""
    draft.house(silos=1, remote=draft.chance(0.3), agents=1, warehouse=True)
    for _ in range(draft.rng.randint(4, 8)):
        draft.question(draft.pick(("ranking", "trend", "stock", "asks back", "refused")))
    asked_ms = [event.at_ms for event in draft.events]
    draft.windows(" ".join(CONNECTION_KINDS), draft.rng.randint(2, 4), low=0.1, high=0.9)
    draft.crashes(draft.rng.randint(1, 4), soon_after=asked_ms)
    draft.ops(1, "send")


def people_leave(draft: Draft) -> None:
    """People ask the analyst, and some are removed: before, while or after they are answered, by a server that dies."""
    people = draft.rng.randint(2, 3)
    draft.house(silos=draft.pick((1, 1, 2)), agents=1, warehouse=True, people=people)
    for _ in range(draft.rng.randint(4, 8)):
        draft.question(draft.pick(("ranking", "trend", "stock", "asks back")), person=draft.rng.randint(0, people - 1))
    asked = [event for event in draft.events if not event.is_fault]
    for one in (draft.pick(asked), draft.pick(asked)):
        draft.op("leave", person=one.args["person"], at_ms=round(one.at_ms + draft.between(1, 2_000), 1))
    draft.windows(f"{' '.join(CONNECTION_KINDS)} {BAD_STORE}", draft.rng.randint(0, 3), low=0.05, high=0.9)
    draft.crashes(draft.rng.randint(0, 3), soon_after=[event.at_ms for event in draft.events if not event.is_fault])
    draft.ops(1, "send")


def reminders_under_crash(draft: Draft) -> None:
    draft.house(silos=draft.pick((1, 1, 2)), agents=draft.rng.randint(1, 3))
    for _ in range(draft.rng.randint(4, 12)):
        draft.remind()
    draft.ops(draft.rng.randint(0, 3), "send")
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.crashes(draft.rng.randint(1, 4), soon_after=[event.at_ms for event in draft.events])


def approvals_under_crash(draft: Draft) -> None:
    """Tools that need approval, and people who answer late or never, while processes die."""
    draft.house(silos=draft.pick((1, 1, 2)), agents=draft.rng.randint(1, 3), approval_ms=draft.pick((5_000, 60_000)))
    for _ in range(draft.rng.randint(3, 8)):
        draft.approve()
    draft.ops(draft.rng.randint(0, 4), "send")
    answers = [event.at_ms + event.args["after_ms"] for event in draft.events if event.kind == "approve"]
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.crashes(draft.rng.randint(0, 3), soon_after=[event.at_ms for event in draft.events])
    for moment in answers:
        if draft.chance(0.5):  # the first commit since: often that of the answer
            kind, down_ms = draft.pick(("crash.before_commit", "crash.after_commit")), draft.between(50, 4_000)
            draft.fault(kind, draft.pick(draft.silos), at_ms=round(moment, 1), for_ms=down_ms)


def compaction_under_crash(draft: Draft) -> None:
    """Windows that hold a few messages, long ones, and models that fail to sum them up."""
    draft.house(
        silos=draft.pick((1, 1, 2)),
        agents=draft.rng.randint(1, 2),
        window_tokens=draft.pick((4_000, 4_500, 5_500)),
        compaction=draft.pick(("sliding_window", "all", "self_compact_sliding_window", "self_compact_all")),
    )
    for _ in range(draft.rng.randint(7, 12)):
        draft.send(agent=0 if draft.chance(0.7) else None, text=f"{draft.script()} {draft.rambling()}")
    draft.windows(
        "model.context_overflow model.server_error model.cut_stream model.empty_reply",
        draft.rng.randint(0, 2),
        low=0.1,
        high=0.9,
    )
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.crashes(draft.rng.randint(1, 4), soon_after=[event.at_ms for event in draft.events if not event.is_fault])
    draft.ops(2, "list")


def conversations_under_crash(draft: Draft) -> None:
    """Few agents, several conversations of each, forks of forks, and processes that die in between."""
    draft.house(silos=draft.pick((1, 1, 2)), agents=draft.rng.randint(1, 2))
    draft.converse()
    draft.ops(draft.rng.randint(2, 5), "send")
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.crashes(draft.rng.randint(1, 3), soon_after=[event.at_ms for event in draft.events if not event.is_fault])


def streams_under_crash(draft: Draft) -> None:
    """Runs in the background, whose readers leave, are cut off and come back, through any silo, while processes die."""
    window_tokens, compaction = draft.pick((4_000, 5_000)), draft.pick(("sliding_window", "all"))
    is_tight = draft.chance(0.25)
    draft.house(
        silos=draft.pick((1, 1, 2, 2, 3)),
        agents=draft.pick((1, 1, 2)),
        routing=draft.pick(("agent", "any", "any")),
        window_tokens=window_tokens if is_tight else None,
        compaction=compaction if is_tight else None,
    )
    for _ in range(draft.rng.randint(3, 6)):
        draft.follow(draft.rambling() if is_tight else "")
    draft.ops(draft.rng.randint(1, 3), "send")
    draft.windows("network.disconnect network.delay network.slow_reader", draft.rng.randint(0, 2), high=0.3)
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.windows("crash.surprise", draft.rng.randint(0, 1), draft.silos, low=0.1, high=1.0)
    draft.windows("model.cut_stream model.empty_reply model.unknown_tool", draft.rng.randint(0, 1), low=0.1, high=0.5)
    if is_tight:
        draft.windows("model.context_overflow", draft.rng.randint(0, 2), low=0.1, high=0.6)
    sent_ms = [event.at_ms for event in draft.events if event.kind == "follow"]
    draft.crashes(draft.rng.randint(1, 4), soon_after=sent_ms)
    if draft.options.silos > 1:
        for _ in range(draft.rng.randint(0, 1)):
            draft.fault("crash.paused", draft.pick(draft.silos), for_ms=draft.between(200, 30_000))


def files_under_crash(draft: Draft) -> None:
    """Files that are replaced and deleted while they are read, and while agents look into them."""
    draft.house(
        silos=draft.pick((1, 1, 2)),
        agents=draft.rng.randint(1, 2),
        folders=draft.rng.randint(1, 2),
        embeds=draft.chance(0.3),
    )
    file(draft)
    draft.ops(1, "send")
    draft.windows(f"{BAD_FILES} store.archival_write store.archival_write", draft.rng.randint(0, 2), low=0.1, high=0.8)
    draft.windows("disk.latency network.delay network.disconnect", draft.rng.randint(0, 1))
    if draft.options.embeds:
        draft.windows(BAD_EMBEDDER, 1, low=0.2, high=1.0)
    uploads = [event.at_ms for event in draft.events if event.kind == "upload"]
    draft.crashes(draft.rng.randint(0, 2), soon_after=[event.at_ms for event in draft.events if not event.is_fault])
    for _ in range(draft.rng.randint(1, 2)):  # at a commit of an upload, of its text or of its chunks
        kind, down_ms = draft.pick(("crash.before_commit", "crash.after_commit")), draft.between(50, 4_000)
        moment = round(draft.pick(uploads) + draft.between(1, 300), 1)
        draft.fault(kind, draft.pick(draft.silos), at_ms=moment, for_ms=down_ms)


def groups_under_crash(draft: Draft) -> None:
    """Agents that answer as groups, one that is overheard, and members that are slow, fail or are deleted."""
    draft.house(silos=draft.pick((1, 1, 1, 2)), agents=draft.rng.randint(2, 3), guests=draft.pick((0, 1)))
    draft.teams()
    draft.ops(draft.rng.randint(1, 2), "send")
    talks = [event.at_ms for event in draft.events]
    for _ in range(draft.options.guests):  # in the middle of a round
        moment = round(draft.pick(talks) + draft.between(50, 5_000), 1)
        draft.op("dismiss", at_ms=moment, agent=draft.options.agents)
    lost = f"{_LOST_ROUNDS} {_LOST_ROUNDS} store.message_read store.agent_write"
    draft.windows(lost, draft.rng.randint(0, 2), low=0.05, high=1.0)
    # A silo that waits for a silent model does not see that another one has taken its agent over and gone on.
    silent = " model.timeout" if draft.options.silos == 1 else ""
    draft.windows(f"model.server_error model.cut_stream{silent}", draft.rng.randint(0, 1), low=0.02, high=0.5)
    draft.crashes(draft.rng.randint(0, 3), soon_after=talks)
    draft.windows(_LOST_ROUNDS, draft.rng.randint(0, 1), low=0.2, high=0.6)
    if draft.chance(0.6):  # in the middle of a round: with luck its last commit
        moment = round(draft.pick(talks) + draft.between(50, 5_000), 1)
        draft.fault(_LOST_ROUNDS, at_ms=moment, times=draft.rng.randint(2, 4))


def bad_provider(draft: Draft) -> None:
    draft.house(silos=1, agents=draft.rng.randint(1, 3))
    draft.ops(draft.rng.randint(4, 9), "send send send list")
    for _ in range(draft.rng.randint(2, 5)):
        draft.send(text=draft.rings())
    draft.windows(BAD_MODEL, draft.rng.randint(1, 4), high=0.9, low=0.1)
    draft.windows(BAD_TOOL, draft.rng.randint(4, 10), high=0.9, low=0.1)
    draft.windows(_LOST_FILES, draft.rng.randint(0, 1), high=0.6, low=0.1)


def machine_dies(draft: Draft) -> None:
    """Tools that nobody read run in machines of their own, and those die."""
    draft.house(silos=draft.pick((1, 1, 2)), agents=draft.rng.randint(1, 2), unread=True)
    for _ in range(draft.rng.randint(2, 6)):
        draft.send(mode=draft.pick(("async", "wait", "stream")), text=draft.rings())
    draft.windows("microvm.dies", draft.rng.randint(1, 3), low=0.2, high=1.0)
    draft.windows(f"tool.no_place tool.no_level {_LOST_FILES}", draft.rng.randint(0, 2), low=0.1, high=0.9)
    draft.crashes(draft.rng.randint(0, 3), soon_after=[event.at_ms for event in draft.events if not event.is_fault])


def everything(draft: Draft) -> None:
    silos, routing = draft.rng.randint(1, 5), draft.pick(("agent", "any"))
    draft.house(silos=silos, remote=draft.chance(0.8) or None, routing=routing, guests=draft.rng.randint(0, 2))
    draft.ops(draft.rng.randint(6, 16), TALK)
    draft.ops(draft.options.guests, "dismiss")
    draft.crashes(draft.rng.randint(0, 3))
    if draft.options.remote:
        draft.partitions(draft.rng.randint(0, 2))
    draft.windows(WEATHER, draft.rng.randint(0, 2), ("", *draft.links))
    draft.windows(BAD_DISK, draft.rng.randint(0, 2), high=0.1, low=0.002)
    draft.windows(BAD_STORE, draft.rng.randint(0, 2), low=0.05, high=1.0)
    draft.windows(f"{BAD_MODEL} {BAD_TOOL}", draft.rng.randint(0, 3))
    draft.clocks(draft.rng.randint(0, 2))
    if draft.chance(0.3):
        draft.fault("crash.paused", draft.pick(draft.silos), for_ms=draft.between(200, 30_000))


def crowded(draft: Draft) -> None:
    """Any of the others, with three times as much of everything: some bugs need a crowd."""
    draft.density = 3
    draft.pick(_CROWDED)(draft)


_CROWDED = (
    turn_under_crash,
    recall_while_writing,
    paused_silo,
    partition,
    dying_disk,
    restart_storm,
    everything,
)
