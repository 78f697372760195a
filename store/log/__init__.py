"""The log of events: its protocol, on disk and in memory.

Read in this order:

- `event_log`                  the protocol, and its values
- `append`, `commit_group`     what is asked for, and what one commit holds of it
- `writer`, `committer`, `transaction`   the thread that commits, and how
- `lmdb_log`, `lmdb_reader`    the log on disk
- `memory_log`                 the same in memory, for tests and simulations
- `bodies`, `keyring`          people's words, encrypted, and the keys that can be destroyed
- `snapshots`                  states kept to save time
"""
