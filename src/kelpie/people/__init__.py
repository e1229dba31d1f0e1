"""People and teams: whom questions are asked for, and whose memory is whose.

speaker    who a run speaks for
records    people, teams and who is in which, as rows; every change is a plan
applying   a file of them in YAML, applied as one change
resolving  from a name in a request to a speaker, within what a key allows
scopes     the scopes of umi that belong to a person, a team, a tenant
schema     the tables; limits the bounds
"""

from kelpie.people.speaker import NOBODY, Speaker

__all__ = ["NOBODY", "Speaker"]
