"""The log of events: its protocol, on disk and in memory.

`EventLog` is all that actors and commands know of the store. Appends are checked and encoded by who
asks for them, wait for the one thread that writes, and are committed together; an outcome is told
only when it is durable.

Read in this order:

- `event_log`                  the protocol, and its values
- `append`, `commit_group`     what is asked for, and what one commit holds of it
- `log_clock`                  the time that goes on record
- `writer`, `committer`        the thread that commits, and how
- `lmdb_reader`, `lmdb_log`    the log on disk, to read and to write
- `memory_log`                 the same in memory, for tests and simulations
- `snapshots`                  states saved, so that a start doesn't fold whole streams
"""
