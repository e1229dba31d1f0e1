"""kelpie as an MCP server: agents, memory and the analyst as tools of any client of the protocol, at /mcp.

server.py      the endpoint: same gate, keys and bounds as every other route
operations.py  the tools: what they take and what they answer
takes.py       their parameters

Clients are other programs' agents: what a tool answers is data for them, as theirs is for us (kelpie.tools.mcp).
"""
