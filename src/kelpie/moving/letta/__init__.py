"""Another server's database, read and brought over: Letta 0.16 on PostgreSQL.

Its rows are read as what agent files say of agents, so that one pipeline makes both ours (kelpie.api.wire.agent_files).
Nothing is written there. Ids are kept, so that running twice brings nothing twice.

tables     which tables and columns are read, and what becomes of the others
reading    the database, read only and in batches
secrets    values that it encrypted
bringing   tools, blocks, agents; archives: what agents remember and share; folders: their files
histories  what agents said; conversations: beside their own history
together   identities and groups, last
rows       rows as what agent files say; here: where it all goes
report     what was taken, and every row that was not
"""
