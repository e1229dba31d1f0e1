"""The planner: a model that plans an analyst's tool calls by rules. Handle `kelpie/planner`.

    model.py         PlannerModel: one request in, one reply out, like any model
    deciding.py      what to do next in a turn; moves.py what a step can be
    conversation.py  the request read back as turns: questions, calls, results
    questions.py     the question of a turn, with what was answered and put right
    knowledge.py     the catalog and its words, kept between steps
    asked.py         what a question can turn out to be
    reading/         a question -> what is asked
    dates/           "Q1 FY2026", "the last 3 months" -> days
    english/         how English asks: tables of words, none about any data
    taught/          what people teach: definitions, corrections, preferences
    keeping.py       what of that is kept for later
    verified.py      questions that a verified query answers
    presenting.py    a result: chart and answer
    saying/          results -> sentences and tables

It sees what a language model would see, and nothing else. It knows English question words; every word about the data
comes from the semantic model, by way of list_metrics.
"""
