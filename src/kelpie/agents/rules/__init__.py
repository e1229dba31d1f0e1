"""Which tools an agent may call, must call, or may call once somebody has agreed.

rules      tool rules, as pure functions
approving  calls that wait for an answer, as rows, and how they expire
ruling     what rules and answers mean for one step
"""
