"""What people hold to: what their words mean, how they like answers, what they corrected. Of a person, a team, or all.

Kept in umi, each person's, team's and tenant's in a scope of their own (kelpie.people.scopes), as facts: what replaces
what, the history, undo and deletion without a trace are umi's.

convention  what a convention may say
holding     whose conventions hold for a speaker, and whose a speaker may change
publishing  the published rule: which of several holds
keeping     keep one, override one for good, forget one
evidence    whether a person really said it: data and models can't make a convention
tools       what an agent may do with them
"""
