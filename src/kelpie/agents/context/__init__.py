"""What an agent's model is shown.

context      prompt and messages within the token budget
prompts      system prompts; beginning: the messages that a history begins with
directories  folders and open files
history      an agent's messages in memory, by conversation
compacting   what a compaction summarises and what stays, as pure functions; summarising: the making of a summary
preview      what the model would be asked next
"""
