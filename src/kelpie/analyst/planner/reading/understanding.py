"""A question in words and a catalog -> what is asked.

Nothing in a question is skipped silently. First every word gets a role, or the question is refused: leaving one out
would answer another question. Only then is asked back what is open.
"""

import contextlib

from kelpie.analyst import limits
from kelpie.analyst.planner.asked import Asked, Refused, ShowAgain
from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.english.asking import SMALL
from kelpie.analyst.planner.english.naming import TOGETHER
from kelpie.analyst.planner.reading.bounding import Bound, find_bounds, placed
from kelpie.analyst.planner.reading.contrasting import find_contrast
from kelpie.analyst.planner.reading.finishing import finished
from kelpie.analyst.planner.reading.found import Found
from kelpie.analyst.planner.reading.grouping import find_groups, find_stepping
from kelpie.analyst.planner.reading.islands import bridge_islands
from kelpie.analyst.planner.reading.joining import claim_small_phrases, not_known, unknown_words
from kelpie.analyst.planner.reading.kinds import drop_structure, settle_kinds
from kelpie.analyst.planner.reading.lexicon import Term
from kelpie.analyst.planner.reading.naming import find_metrics, read_definition, refuse_topics
from kelpie.analyst.planner.reading.ranking import find_ranking
from kelpie.analyst.planner.reading.reading import Context, Reading, Stop, refuse
from kelpie.analyst.planner.reading.sharing import find_sharing
from kelpie.analyst.planner.reading.showing import read_show
from kelpie.analyst.planner.reading.timing import find_times, first_clock, read_all_time, read_now
from kelpie.analyst.planner.reading.valuing import find_values


class NotAnAnswer(Exception):
    """What the user said when asked back picks none of the options."""


def understand(question: str, context: Context) -> Asked:
    """What is asked.

    Raises NotAnAnswer if the last of the context's answers settles nothing: it was something else that the user wanted
    to say.
    """
    if len(question) > limits.QUESTION_CHARS_MAX:
        return Refused(f"The question has {len(question):,} characters; I read at most {limits.QUESTION_CHARS_MAX:,}.")
    reading = Reading(question, context)
    try:
        asked = _asked(reading)
    except Stop as stop:
        asked = stop.asked
    if context.answers and context.answers[-1] not in reading.used_answers:
        raise NotAnAnswer(context.answers[-1])
    return asked


def terms_in(question: str, context: Context) -> list[tuple[str, Term]]:
    """Which phrases of a question are taken to mean what, as far as it is understood."""
    reading = Reading(question[: limits.QUESTION_CHARS_MAX], context)
    with contextlib.suppress(Stop):
        _asked(reading)
    return reading.trace


def _asked(reading: Reading) -> Asked:
    drop_structure(reading)
    bounds = find_bounds(reading)  # before periods: "more than 2000" is no year
    times = find_times(reading, first_clock(reading))
    bridge_islands(reading, times)
    now = read_now(reading)
    settle_kinds(reading)
    refuse_topics(reading)
    defined = read_definition(reading)
    if defined is not None:
        return defined
    found = _found(reading, [placed(reading, bound) for bound in bounds], times, now=now)
    # Before anything is asked back: there is no use in settling words of a question that has others nobody knows.
    unknown = unknown_words(reading, contrasts=found.contrast is not None)
    if unknown:
        raise not_known(reading, unknown)
    if reading.problems:
        raise refuse(reading.problems[0])
    if found.show is not None and reading.previous is not None and not (found.metrics or found.says_something):
        return ShowAgain(found.show)
    return finished(reading, found)


def _found(reading: Reading, bounds: list[Bound], times: list[TimeMention], *, now: str) -> Found:
    together = list(reading.phrases(TOGETHER))
    for _, start, end in together:
        reading.claim(start, end, SMALL)
    claim_small_phrases(reading)
    contrast = find_contrast(reading, times, is_bounded=any(bound.on == "change" for bound in bounds))
    sharing = find_sharing(reading)
    show = read_show(reading)
    ranking = find_ranking(reading)
    all_time = read_all_time(reading)
    stepping = find_stepping(reading)
    values = find_values(reading)
    metrics = find_metrics(reading, ranking, bounds)
    return Found(
        metrics=metrics,
        groups=find_groups(reading, values),
        values=values,
        times=times,
        axes=reading.of_kind("axis"),
        bounds=bounds,
        stepping=stepping,
        ranking=ranking,
        contrast=contrast,
        sharing=sharing,
        show=show,
        now=now,
        all_time=all_time,
        together=bool(together),
    )
