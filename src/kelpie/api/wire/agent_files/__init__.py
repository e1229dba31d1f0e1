"""Agent files (`.af`): Letta's JSON for agents that move, with what is ours under the key `kelpie`.

reading    a file as a parcel; checking: what must hold of the whole file before that
parts      agents, tools and blocks of a file in our words
writing    an agent as a file
legacy     the older format, of one agent without ids, as the current one and back
folders    folders and files, both ways
messages   messages as Letta stores them, both ways
extension  what is ours: passages, history, schedules, memory
"""
