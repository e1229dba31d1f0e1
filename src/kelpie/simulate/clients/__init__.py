"""People and programs outside: what they do, what they saw of it, and what they hold the house to.

clients.py       people and programs that call the API, and what they saw
performer.py     a part somebody plays: its operations, their outcomes, and what must hold of them
filing.py        people who put files into folders, replace, delete and look at them
looking.py       looking at folders: what is wrong with what they show
versions.py      what they put there, and what may and must be left of it
streaming.py     readers of streams who leave, are cut off and come back, and what they heard by then
conversing.py    people who talk in several conversations of an agent, and what each shows
asking.py        people who ask the analyst, and what they were shown
grouping.py      people who speak to groups of agents; circles.py: those groups, and what was said to them
approvals.py     people who are asked whether a tool may run, and what became of their answers
reminding.py     people who have messages sent later, and how often they were
"""
