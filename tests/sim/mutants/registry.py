"""Every mutant, by what it gets wrong.

Not here: an engine that does not end the doubt of a failed COMMIT (Engine._end_doubt). No client of the house can tell:
whoever reloads to act commits first, a claim, and that takes the doubtful commit's place in the log; whoever only reads
sees what a late effect would show as well. tests/sim/test_storage_crash.py shows that mutant where it does harm, at the
engine.
"""

from sim.mutants import careless_actors as actors
from sim.mutants import careless_analyst as analyst
from sim.mutants import careless_conversations as conversations
from sim.mutants import careless_store as store
from sim.mutants import careless_turns as turns
from sim.mutants.planting import Mutant

_NO_FENCE = (actors.no_fence, actors.reads_without_fence, actors.positions_not_unique)
_NO_POSITION = (actors.fence_without_position, actors.reads_without_fence)
_HISTORIES = ("histories have no gaps", "turns are serial", "no tool runs twice")
_SHOWN = ("a conversation shows exactly its own",)
_CRASHES = ("turn-under-crash", "runs-resume", "restart-storm")
_TAKEOVERS = ("runs-resume", "paused-silo", "partition", "restart-storm")

MUTANTS = (
    Mutant(
        "no fence",
        plants=(actors.no_fence,),
        breaks=("epoch never falls",),
        scenarios=_TAKEOVERS,
        recorded=("partition", 4),
    ),
    Mutant(
        "no fence, and positions need not be unique",
        plants=_NO_FENCE,
        breaks=_HISTORIES,
        scenarios=_TAKEOVERS,
        recorded=("paused-silo", 14),
        harmless=((actors.no_fence,), (actors.positions_not_unique,)),
    ),
    Mutant(
        "acknowledge before commit",
        plants=(turns.acknowledge_before_commit,),
        breaks=("acknowledged messages stay",),
        scenarios=_CRASHES,
        recorded=("runs-resume", 1),
    ),
    Mutant(
        "a reminder is noted apart from its run",
        plants=(turns.reminder_noted_apart,),
        breaks=("each reminder is done once",),
        scenarios=("reminders-under-crash",),
        recorded=("reminders-under-crash", 6),
    ),
    Mutant(
        "an approval is lost",
        plants=(turns.approval_taken_apart,),
        breaks=("no approval is lost",),
        scenarios=("approvals-under-crash",),
        recorded=("approvals-under-crash", 1),
    ),
    Mutant(
        "compaction drops a message",
        plants=(turns.summary_stands_for_one_more,),
        breaks=("no message is lost to a summary",),
        scenarios=("compaction-under-crash",),
        recorded=("compaction-under-crash", 6),
    ),
    Mutant(
        "one window for all conversations",
        plants=(conversations.one_window_for_all,),
        breaks=_SHOWN,
        scenarios=("conversations-under-crash",),
        recorded=("conversations-under-crash", 1),
    ),
    Mutant(
        "a fork ends one too far",
        plants=(conversations.fork_ends_one_too_far,),
        breaks=_SHOWN,
        scenarios=("conversations-under-crash",),
        recorded=("conversations-under-crash", 13),
    ),
    Mutant(
        "a deleted conversation takes along what forks show",
        plants=(conversations.deletes_what_forks_show,),
        breaks=_SHOWN,
        scenarios=("conversations-under-crash",),
        recorded=("conversations-under-crash", 4),
    ),
    Mutant(
        "event before commit",
        plants=(turns.event_before_commit,),
        breaks=("commit before event", "what was shown as final is listed", "what was told stays true"),
        scenarios=(*_CRASHES, "hot-agent"),
        recorded=("runs-resume", 1),
    ),
    Mutant(
        "append checks, then acts",
        plants=(store.check_then_append,),
        breaks=("block changes stay, once",),
        scenarios=("shared-block",),
        recorded=("shared-block", 3),
    ),
    Mutant(
        "a duplicated request counts twice",
        plants=(store.duplicates_count_twice,),
        breaks=("acknowledged messages stay", "acknowledged facts stay", "operations are linearizable"),
        scenarios=("partition", "everything"),
        recorded=("partition", 16),
    ),
    Mutant(
        "a scene is remembered",
        plants=(turns.scene_is_remembered,),
        breaks=("prompts show memory as it is",),
        scenarios=("shared-block",),
        recorded=("shared-block", 2),
    ),
    Mutant(
        "a resumed run repeats its tools",
        plants=(turns.resume_repeats_a_tool,),
        breaks=("no tool runs twice",),
        scenarios=("runs-resume", "restart-storm"),
        recorded=("runs-resume", 4),
    ),
    Mutant(
        "a result without its intent",
        plants=(turns.result_without_intent,),
        breaks=("no tool runs twice",),
        scenarios=("runs-resume", "restart-storm"),
        recorded=("runs-resume", 4),
    ),
    Mutant(
        "a failed call keeps its files",
        plants=(turns.failure_keeps_its_files,),
        breaks=("files are of calls that succeeded",),
        scenarios=("bad-provider", "everything"),
        recorded=("bad-provider", 1),
    ),
    Mutant(
        "double activation",
        plants=(actors.double_activation,),
        breaks=("one activation",),
        scenarios=("hot-agent", "runs-resume"),
        recorded=("runs-resume", 4),
    ),
    Mutant(
        "double activation, and no fence",
        plants=(actors.double_activation, *_NO_FENCE),
        breaks=(*_HISTORIES, "acknowledged messages stay"),
        scenarios=("hot-agent",),
        recorded=("hot-agent", 6),
        harmless=((actors.double_activation,), _NO_FENCE),
    ),
    Mutant(
        "synchronous=NORMAL",
        plants=(store.lazy_sync,),
        breaks=("acknowledged messages stay", "a healed house answers"),
        scenarios=_CRASHES,
        recorded=("runs-resume", 1),
    ),
    Mutant(
        "an edit without its version",
        plants=(store.edit_without_version,),
        breaks=("block changes stay, once",),
        scenarios=("shared-block",),
        recorded=("shared-block", 4),
    ),
    Mutant(
        "a waiter on a discarded activation",
        plants=(actors.waiter_on_a_discarded_activation,),
        breaks=("runs reach an end",),
        scenarios=("hot-agent",),
        recorded=("hot-agent", 1),
    ),
    Mutant(
        "a waiter tries a discarded activation, and no fence",
        plants=(actors.waiter_tries_a_discarded_activation, *_NO_FENCE),
        breaks=_HISTORIES,
        scenarios=("hot-agent",),
        recorded=("hot-agent", 1),
        harmless=((actors.waiter_tries_a_discarded_activation,), _NO_FENCE),
    ),
    Mutant(
        "a call does not see the one before it",
        plants=(turns.overlay_not_seen,),
        breaks=("a call sees the calls before it",),
        scenarios=("shared-block",),
        recorded=("shared-block", 1),
    ),
    Mutant(
        "kept after a commit of unknown outcome, and a fence without position",
        plants=(actors.kept_after_unknown_commit, *_NO_POSITION),
        breaks=("acknowledged messages stay", "runs reach an end", "epoch never falls", "histories have no gaps"),
        scenarios=("hot-agent",),
        recorded=("hot-agent", 40),
        harmless=((actors.kept_after_unknown_commit,), _NO_POSITION),
    ),
    Mutant(
        "a retried run loses its place, and earlier runs come later",
        plants=(actors.retried_run_loses_its_place, turns.earlier_runs_come_later),
        breaks=("turns are serial", "messages keep their order"),
        scenarios=("hot-agent",),
        recorded=("hot-agent", 14),
        harmless=((actors.retried_run_loses_its_place,), (turns.earlier_runs_come_later,)),
    ),
    Mutant(
        "recovery forgets open runs",
        plants=(turns.recovery_forgets,),
        breaks=("runs reach an end",),
        scenarios=_CRASHES,
        recorded=("turn-under-crash", 1),
    ),
    Mutant(
        "earlier runs come later",
        plants=(turns.earlier_runs_come_later,),
        breaks=("turns are serial",),
        scenarios=("paused-silo", "everything"),
        recorded=("everything", 9),
    ),
    Mutant(
        "an accept of unknown outcome is given up",
        plants=(turns.doubt_is_given_up,),
        breaks=("runs reach an end",),
        scenarios=("partition", "hot-agent"),
        recorded=("partition", 8),
    ),
    Mutant(
        "a resumed run asks the data again",
        plants=(turns.resume_repeats_a_tool,),
        breaks=("a known result is not asked for again", "no tool runs twice"),
        scenarios=("questions-under-crash",),
        recorded=("questions-under-crash", 45),
    ),
    Mutant(
        "the planner doubts what it knows",
        plants=(analyst.doubts_what_is_known,),
        breaks=("a known result is not asked for again",),
        scenarios=("questions-under-crash",),
        recorded=("questions-under-crash", 6),
    ),
    Mutant(
        "an answer is shown before it is kept",
        plants=(analyst.shows_before_it_keeps,),
        breaks=("what was shown has its provenance",),
        scenarios=("questions-under-crash",),
        recorded=("questions-under-crash", 3),
    ),
    Mutant(
        "a failed query is an empty result",
        plants=(analyst.failure_is_an_empty_result,),
        breaks=("no number is wrong",),
        scenarios=("questions-under-crash",),
        recorded=("questions-under-crash", 3),
    ),
)
