"""People and programs outside: what they do, what they saw of it, and what they hold the house to.

clients.py       people and programs that call the API, and what they saw
performer.py     a part somebody plays: its operations, their outcomes, and what must hold of them
conversing.py    people who talk in several conversations of an agent, and what each shows
asking.py        people who ask the analyst, and what they were shown
approvals.py     people who are asked whether a tool may run, and what became of their answers
reminding.py     people who have messages sent later, and how often they were
"""
