"""Every mutant, by what it gets wrong.

Not here: an engine that does not end the doubt of a failed COMMIT (Engine._end_doubt). No client of the house can tell:
whoever reloads to act commits first, a claim, and that takes the doubtful commit's place in the log; whoever only reads
sees what a late effect would show as well. tests/sim/test_storage_crash.py shows that mutant where it does harm, at the
engine.
"""

from sim.mutants import careless_actors as actors
from sim.mutants import careless_analyst as analyst
from sim.mutants import careless_conversations as conversations
from sim.mutants import careless_files as files
from sim.mutants import careless_groups as groups
from sim.mutants import careless_store as store
from sim.mutants import careless_streams as streams
from sim.mutants import careless_turns as turns
from sim.mutants.planting import Mutant

_NO_FENCE = (actors.no_fence, actors.reads_without_fence, actors.positions_not_unique)
_NO_POSITION = (actors.fence_without_position, actors.reads_without_fence)
_HISTORIES = ("histories have no gaps", "turns are serial", "no tool runs twice")
_CONTENTS = ("contents are those of the steps",)
_TAKES_ALONG = ("who is removed takes everything along",)
_SHOWN = ("a conversation shows exactly its own",)
_UNBROKEN, _NUMBERS = "a stream has no gap and no repeat", "a number never means two things"
_STREAMS = ("streams-under-crash",)
_WHOLE = ("a file is read whole, and what replaced it is found",)
_FILES = ("files-under-crash",)
_GROUPS = ("groups-under-crash",)
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
        "what removed runs held stays",
        plants=(conversations.nothing_is_swept,),
        breaks=_CONTENTS,
        scenarios=("conversations-under-crash",),
        recorded=("conversations-under-crash", 4),
    ),
    Mutant(
        "what a deleted agent held stays",
        plants=(conversations.deleted_agent_keeps_its_contents,),
        breaks=_CONTENTS,
        scenarios=("everything", "restart-storm"),
        recorded=("everything", 8),
    ),
    Mutant(
        "who is removed leaves what they said",
        plants=(analyst.removes_only_the_name,),
        breaks=_TAKES_ALONG,
        scenarios=("people-leave",),
        recorded=("people-leave", 3),
    ),
    Mutant(
        "an answer is kept of nobody",
        plants=(analyst.keeps_an_answer_of_nobody,),
        breaks=_TAKES_ALONG,
        scenarios=("people-leave",),
        recorded=("people-leave", 11),
    ),
    Mutant(
        "who was removed begins to ask",
        plants=(analyst.lets_who_is_gone_begin,),
        breaks=_TAKES_ALONG,
        scenarios=("people-leave",),
        recorded=("people-leave", 2),
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
        "chunks of a replaced file stay",
        plants=(files.chunks_of_the_replaced_stay,),
        breaks=_WHOLE,
        scenarios=_FILES,
        recorded=("files-under-crash", 1),
    ),
    Mutant(
        "reading that goes on begins anew",
        plants=(files.resumes_from_the_beginning,),
        breaks=_WHOLE,
        scenarios=_FILES,
        recorded=("files-under-crash", 23),
    ),
    Mutant(
        "a file is called read before its chunks are there",
        plants=(files.ready_before_its_chunks,),
        breaks=_WHOLE,
        scenarios=_FILES,
        recorded=("files-under-crash", 2),
    ),
    Mutant(
        "an errand apart from its upload",
        plants=(files.errand_apart_from_its_upload,),
        breaks=("every upload reaches an end",),
        scenarios=_FILES,
        recorded=("files-under-crash", 11),
    ),
    Mutant(
        "what a file says is read apart from it",
        plants=(files.text_read_apart_from_its_file,),
        breaks=_WHOLE,
        scenarios=_FILES,
        recorded=("files-under-crash", 2),
    ),
    Mutant(
        "which folder is the last is decided before the commit",
        plants=(files.last_folder_by_what_was_read,),
        breaks=("an agent sees the files of its folders",),
        scenarios=_FILES,
        recorded=("files-under-crash", 18),
    ),
    Mutant(
        "a round begins anew when it is taken up",
        plants=(groups.round_begins_anew,),
        breaks=("each turn is taken once",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 2),
    ),
    Mutant(
        "a turn is noted apart from its run",
        plants=(groups.turn_noted_apart,),
        breaks=("each turn is taken once",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 2),
    ),
    Mutant(
        "rounds overtake each other",
        plants=(groups.rounds_overtake,),
        breaks=("a group's rounds follow each other",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 2),
    ),
    Mutant(
        "a telling is done apart from its errand",
        plants=(groups.telling_done_apart,),
        breaks=("each turn is overheard once",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 20),
    ),
    Mutant(
        "a round counts turns",
        plants=(groups.turns_are_counted,),
        breaks=("a round is said in turn",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 54),
    ),
    Mutant(
        "nobody hears of an end that came unheard",
        plants=(groups.nobody_hears_of_the_end,),
        breaks=("who waits hears of the end",),
        scenarios=_GROUPS,
        recorded=("groups-under-crash", 17),
    ),
    Mutant(
        "event before commit",
        plants=(turns.event_before_commit,),
        breaks=("commit before event", "what was shown as final is listed", "what was told stays true"),
        scenarios=(*_CRASHES, "hot-agent"),
        recorded=("runs-resume", 1),
    ),
    Mutant(
        "a stream goes on one too far",
        plants=(streams.goes_on_one_too_far,),
        breaks=(_UNBROKEN,),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 2),
    ),
    Mutant(
        "a stream begins one too early",
        plants=(streams.begins_one_too_early,),
        breaks=(_UNBROKEN,),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 2),
    ),
    Mutant(
        "who comes in the middle of a reply hears the rest of it",
        plants=(streams.pieces_so_far_are_not_told,),
        breaks=(_UNBROKEN,),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 2),
    ),
    Mutant(
        "a reply is told whole to who comes later",
        plants=(streams.told_whole_to_who_comes_later,),
        breaks=(_UNBROKEN, _NUMBERS),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 1),
    ),
    Mutant(
        "attempts at a run are not counted",
        plants=(streams.attempts_are_not_counted,),
        breaks=(_NUMBERS,),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 2),
    ),
    Mutant(
        "a run that waited is new, whoever took it up meanwhile",
        plants=(streams.who_waited_is_new,),
        breaks=(_NUMBERS,),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 53),
    ),
    Mutant(
        "pieces of a cut reply are kept for the next",
        plants=(streams.void_pieces_are_kept,),
        breaks=(_UNBROKEN, _NUMBERS),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 16),
    ),
    Mutant(
        "a stream tells what is not stored yet",
        plants=(turns.event_before_commit,),
        breaks=("a stream tells what is stored",),
        scenarios=_STREAMS,
        recorded=("streams-under-crash", 9),
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
