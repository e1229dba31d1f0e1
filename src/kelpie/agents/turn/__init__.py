"""The turn that answers a message, from its input to its end.

turn         the loop: model call, tool calls, commit
scene        what a step starts from
asking       what a model is asked besides the context, and what is taken from its calls again
heartbeats   turns that go on when a call asks for it
structured   answers that have to match a schema; schemas: whether they do, within bounds
replies      a model's reply made fit to be stored
calls        tool calls brought to an outcome; performing: those of one step, in order
work         one step under way, and the records it becomes
recording    what a run has come to and how it ends; committing: the commits of a step
pausing      a turn that stops to ask, and goes on with the answer
auditing     which calls a sandbox ran, for the record
stream       what a run tells those who watch; pieces: how replies were cut; replaying: a run that has ended, told again
"""
