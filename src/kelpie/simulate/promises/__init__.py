"""What must hold: at every moment, and after everything has healed.

invariants.py    at every moment, seen from inside
promises.py      after everything has healed: messages, blocks, tools, runs, what is listed and found
memories.py      of memory
compactions.py   of summaries
contents.py      of the exact bytes that steps hold
filed.py         of files and folders
consulted.py     of what agents see of them
rounds.py        of groups and their rounds
answers.py       of the analyst's answers
"""
