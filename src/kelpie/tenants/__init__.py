"""Tenants: who shares nothing with whom, the keys that were made for them, and how much of the server each may use.

records  tenants and their quotas as rows
keys     keys as rows: made, listed, revoked; of the key itself only its hash is kept
ring     whose a key is, without a query in the common case
quotas   what a tenant may still do: agents, messages a minute, bytes, open runs
schema   the tables; limits the bounds
"""

from kelpie.tenants.keys import KEY_PREFIX
from kelpie.tenants.quotas import Counts, Quotas
from kelpie.tenants.ring import IssuedKeys

__all__ = ["KEY_PREFIX", "Counts", "IssuedKeys", "Quotas"]
