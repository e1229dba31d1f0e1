"""Another server's database, read and brought over: Letta 0.16 on PostgreSQL.

Its rows are read as what agent files say of agents, so that one pipeline makes both ours (kelpie.api.wire.agent_files).
Nothing is written there. Ids are kept, so that running twice brings nothing twice.

tables     which tables and columns are read, and what becomes of the others
reading    the database, read only and in batches
secrets    values that it encrypted
bringing   tools, then blocks, then agents; histories: their messages; archives: what they remember and share
together   identities and groups, last
rows       rows as what agent files say; here: where it all goes
report     what was taken, and every row that was not
"""
