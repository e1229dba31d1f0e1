"""kelpie: an agent runtime of virtual actors behind a Letta-compatible API.

    cli, demo           the front door: the commands, the demo
    simulate            the server below, on simulated machines, under seeds
    server, console     wires the house; a client of our own API for the terminal
    api, analyst        Letta's words on the wire; the analyst product
    moving              agents that come and go, as files or from another server's database
    agents              the turn: context, model, tools, commit
    groups, tools       who answers together; tools for agents, built in and custom
    actors, files, identities, models, people, sandbox, tenants, trajectories
                        identity and single-writer activation; folders and files; providers; whom questions are for;
                        isolation; keys and quotas; messages, runs and steps
    config, events, errors, sealing, yaml_lines
                        read once at start; the one seam for what happened; every error in one tree; what the store
                        holds encrypted; YAML by its lines

Imports point down this list, and from here into umi; never up.
"""
