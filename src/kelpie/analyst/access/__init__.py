"""Access rules: which rows and columns of a table whom may see. They are bound to the speaker, never to the text.

All rules that hold for a speaker hold together: their row filters are joined by AND, their masked columns add up, and
a denied table stays denied whatever else is said. A rule can only take away.

rules.py        AccessRule, and whom it holds for
yaml_rules.py   YAML text -> rules
records.py      rows of the table `access_rule`
applying.py     a file of rules as one change
registering.py  rules checked against the tables they are about, and stored
access.py       Access: the rules that hold for one speaker; the guard applies them (kelpie.analyst.guard)
"""
