"""The planner: a model that plans an analyst's tool calls by rules. Handle `kelpie/planner`.

    model.py         PlannerModel: one request in, one reply out, like any model
    deciding.py      what to do next in a turn: which tool to call, or what to say
    conversation.py  the request read back as turns: questions, calls, results
    understanding.py a question and a catalog -> what is asked, or what is unclear or unknown
    asked.py         what a question can turn out to be
    reading.py       a question being read: which of its words have got a meaning
    naming.py        what it names: metrics, values, dimensions; grammar.py how it asks: rankings, developments
    follow_up.py     a question that leans on the one before it
    periods.py       "summer 2013", "last month", "from March to May" -> days
    lexicon.py       the catalog's words, found in a question, longest first
    words.py         tokens and stems
    english.py       the question grammar: words of English, none of any data
    preferences.py   tables or charts: what the user said and what memory holds
    answers.py       results -> sentences and tables; phrases.py the pieces

It sees what a language model would see, and nothing else. It knows English question words; every word about the data
comes from the semantic model, by way of list_metrics.
"""
