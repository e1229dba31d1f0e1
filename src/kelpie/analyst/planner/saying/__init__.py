"""Results -> what the planner says. Every number is a cell's own text.

answers.py    a whole answer: sentence, cautions, table, notes, source; proven before it is shown
sentences.py  the sentence of a result, by its shape
phrases.py    pieces of it: periods, filters, members
tables.py     Markdown tables
offers.py     what the data can answer, what a metric means
"""
