"""Folders and files: what people upload, and what agents see of it.

folders     folders, as rows
files       files: uploaded, read, deleted
kinds       what a file is
reading     from its bytes to its text
processing  what is left to do after an upload, from the outbox
arriving    files that come with their text, from another server
lines       a text as numbered lines, and windows on it
attached    the folders of agents, and the files they hold open
searching   patterns, words and meaning in an agent's files
schema      the tables; limits the bounds
"""
