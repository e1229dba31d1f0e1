"""MCP: tools that other programs offer over the Model Context Protocol, as tools of an agent.

What such a server says is data: text for the model, cut to size, never an instruction to us. A server that lies, hangs,
floods or dies costs an error result and a report on its row; never the turn, never this server.

records.py      the servers of a tenant as rows, and what is kept of them that nobody is shown
settings.py     what a person may give for a server, checked; secrets by name
offers.py       what a server offers, read within bounds; what changed since
rows.py         the offered tools as rows of the tenant's tools
results.py      what a tool, a resource or a prompt gave, as text for the model
watching.py     every message of a connection, counted: a flood ends it
stdio.py        a program in a jail as a connection's two streams
programs.py     what such a program is; jail: where it runs
addresses.py    which hosts may be reached, pinned to the address that was checked
remote.py       SSE and streamable HTTP as a connection's two streams
oauth.py        a person's consent: who waits for it, and where its tokens are kept
consenting.py   the request an OAuth flow begins with
connection.py   one session with a server: kept, watched, closed when idle
connections.py  the sessions of all servers: shared, opened again with back-off
faults.py       what a server did wrong, as an error
calling.py      one request: a tool, a resource, a prompt
tools.py        from a tool's row to a call
limits.py       every bound

The SDK is imported when the first server is used: it takes a third of a second.
"""
