"""A question in words and a catalog -> what is asked. Every word gets a meaning, or the question is refused.

First the parts are found and each word gets a role:

    understanding.py  the way through
    reading.py        a question being read: its words, and which of them have got a meaning
    lexicon.py        the catalog's words in a question, longest first; keys.py what phrases are compared by
    islands.py        phrases that stand around other parts; kinds.py which of several meanings fits
    naming.py         metrics, topics the data can't answer; valuing.py values to keep or leave out
    grouping.py       dimensions and grains; timing.py periods, time axes, the company's own year
    bounding.py       "more than 10,000"; quantities.py numbers as people write them
    contrasting.py    growth, earlier periods; sharing.py parts of a whole; ranking.py the most and the best
    showing.py        "as a table"
    joining.py        what the small words between them may join, and which words are left over
    found.py          all of that together

Then they are settled, and asked back about:

    finishing.py      the way through
    choosing.py       which of several meanings is meant: answers and conventions
    follow_up.py      a question that leans on the one before it
    moments.py        what holds at a moment, and what happens in a period
    spanning.py       one span of time out of several periods; measuring.py days to compare with
    reaching.py       by what a metric can be looked at; holding.py bounds as conditions; ordering.py rankings
"""
