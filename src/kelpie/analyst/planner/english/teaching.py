"""Sentences that are no question: wishes about all answers to come, and what a word is to mean."""

from typing import Literal

from kelpie.analyst.planner.english.patterns import Phrases

# What makes a sentence one about all answers to come.
LASTING: Phrases[bool] = Phrases(
    {
        "from now on": True, "in the? future": True, "remember that|to": True, "going forward": True,
        "i prefer": True, "i'd|we'd prefer|rather": True, "i|we would prefer|rather": True, "we prefer": True,
        "i'd|we'd like you to": True, "my|our preference": True, "as a rule": True,
    }
)  # fmt: skip
# The same, if the sentence begins with it or speaks of tables and charts; elsewhere it may belong to a question.
PERHAPS_LASTING: Phrases[bool] = Phrases({"always": True, "never": True, "by default": True, "every time": True})

# What may stand before the word that is given a meaning: "by X I mean Y", "when I say X, I mean Y", "to us X means Y".
BEFORE_TOPIC: Phrases[bool] = Phrases(
    {
        "by|with": True, "when|if|whenever i|we|they|people say|says|ask|ask for|about|of": True,
        "when|if|whenever i|we|they|people ask|talk|speak for|about|of": True,
        "when|if|whenever i|we|they|people say|write": True,
        "for|to me|us": True, "read|interpret|take|understand|treat|use": True, "remember that?": True,
        "from now on": True, "in our team": True, "note that?": True,
    }
)  # fmt: skip
MEANS: Phrases[bool] = Phrases(
    {
        "i|we always? mean": True, "means|meant": True, "always means": True, "is to mean": True,
        "should|shall|will mean|be": True, "stands for": True, "refers to": True, "it|that|this means": True,
        "as": False,
    }
)  # fmt: skip
READ_AS = frozenset({"read", "interpret", "take", "understand", "treat", "please"})
# "No, I meant Y": the last question again, with Y in place of what was understood.
I_MEANT: Phrases[bool] = Phrases(
    {
        "no|sorry|not? i|we meant|mean": True, "i|we meant": True, "i was asking about|for": True,
        "no|sorry? i|we wanted": True, "no|sorry? i'm|we're talking about": True, "actually i|we meant": True,
    }
)  # fmt: skip

BEFORE_TEAM = frozenset({"for", "in", "of", "at", "team"})
AROUND_TEAM = frozenset({"for", "everyone", "everybody", "all", "people", "us", "the", "team", "in", "of", "at"})
SCOPES: Phrases[Literal["person", "team", "organisation"]] = Phrases(
    {
        "for everyone|everybody|all in|of|on our|my|the? team|department": "team",
        "for|in our|my|the? whole? team|department": "team",
        "for all of us": "team",
        "for everyone|everybody": "organisation",
        "for|in the? whole|entire? company|organisation|organization": "organisation",
        "everywhere": "organisation",
        "for me only?": "person",
        "only for me": "person",
        "for myself": "person",
    }
)
