"""Long-term memory in the turn.

recalling    what memory adds to the context
remembering  what memory keeps of a turn, from the outbox
"""
