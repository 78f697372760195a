"""The log of events: its protocol, on disk and in memory.

Read in this order:

- `event_log`                  the protocol, and its values
- `append`, `commit_group`     what is asked for, and what one commit holds of it
- `writer`, `committer`        the thread that commits, and how
- `lmdb_reader`, `lmdb_log`    the log on disk, to read and to write
- `memory_log`                 the same in memory, for tests and simulations
- `snapshots`                  states saved, so that a start doesn't fold whole streams
"""
