"""How English asks: tables of words and phrases, none of them about any data.

words.py       text -> tokens and stems
patterns.py    Phrases: a table of phrases, found in a question
asking.py      words that ask for nothing by themselves, and what may stand between those that do
naming.py      how words point at metrics, values and groups: "how many", "except", "by"
ranking.py     "top", "worst", "fewest"
comparing.py   "compared to", "grew", "share of", "more than"
dates.py       months, "last", "to date", "since"
showing.py     tables and charts
teaching.py    "by X I mean Y", "from now on", "for our team"
"""
