"""Every decision of every agent, as it was committed: the runtime's own rows are the trajectory.

    records   the words: Run, Step, Call, StoredMessage
    schema    the tables
    content   exact bytes, stored once by their hash
    messages  an agent's history: plan, page, search
    conversations  those an agent has beside its main one; stretches: which messages each shows
    summaries messages that stand for others, which are out of view
    fulltext  the index of that search
    runs      a turn's record from acceptance to end
    steps     one model call and its tool calls: intents first, results after
    export    runs as chat-format JSONL for fine-tuning
    limits    bounds

List, get, search and export read the same rows; nothing is copied.
"""
