"""Letta's REST API, as far as we serve it, and the analyst's routes: HTTP on one side, our own words on the other.

app          create_app: routes, error handlers and the gate over a house
house        House, Caller: what endpoints stand on, and who is asking
gate         every request: key, tenant, size, event; auth: keys
idempotency  what is sent again with the same key is answered again; claims: the rows behind that
routes       one file per resource
wire         Letta's words: bodies in, dicts out
mcp          the same for clients of the Model Context Protocol
sse          a run as server-sent events
failures     errors as answers; unserved: known paths that are answered 501
paging, ids, answer, bounds, names
             pages of lists; how ids look; JSON out; sizes of free-form JSON; names for nameless agents
places       which conversation of which agent a request means
reaching     where tenants may have this server send requests
reference    the description of the API, for programs and for people; openapi: writes it anew
limits       bounds
"""

from kelpie.api.app import create_app
from kelpie.api.auth import Keys
from kelpie.api.house import House

__all__ = ["House", "Keys", "create_app"]
