"""What an agent can call: a description for the model, a function, and how far it reaches.

tool.py         Tool, ToolContext, Outcome: what the turn works with
memory.py       the built-in tools with which an agent writes and reads its own memory
source.py       a custom tool's name, description and schema, parsed from its Python source
annotations.py  type hints as JSON schemas
custom.py       the rows of a tenant's tools
arguments.py    a call's arguments against the schema, before anything runs
catalog.py      Catalog: from a row to a Tool; custom ones run in the sandbox
limits.py       every bound
"""
