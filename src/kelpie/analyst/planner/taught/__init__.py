"""What people taught: conventions that memory holds, and sentences that teach one.

conventions.py  the result of the tool `conventions`: what applies to whom
wishes.py       which sentences of a message are no question: "by X I mean Y", "I prefer tables", "for our team"
meanings.py     the words of such a sentence as a meaning that the catalog has
"""
