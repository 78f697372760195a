"""What is remembered: an append-only log of events, and what is derived from it.

One writer, any number of readers. An append is atomic, is refused when a stream is not at the
version it was decided on or when it makes a known message known again, and is confirmed only when
it is on the disk. Sequences have no gaps: numbers are given inside the commit. Every commit is one
batch, chained to the one before by its SHA-256, and every batch that is read is checked against
the hash that its successor (or the head) holds of it: LMDB itself notices no altered byte.

Nothing here knows what an event means beyond `events.projections`, acts on the world, or decides.

Read in this order:

- `errors`, `event_log`     how it fails; the protocol `EventLog` and its values
- `append`, `batch`         what is asked for, checked and encoded; a commit as bytes
- `group`                   which of the waiting appends are admitted, and what their commit holds
- `memory_log`              the protocol without a disk, for simulations
- `layout`, `transaction`   the tables in LMDB; writing a group into them
- `gate`, `database`        nobody reads while the map is replaced; transactions for all threads
- `data_file`, `creation`, `tail`   is the file safe to map; the first one; does its end agree
- `keyring`, `bodies`       a key for every person; their words, encrypted
- `folder`, `writer`        who holds the log; the one thread that commits
- `lmdb_reader`, `lmdb_log` the log on disk, to read and to write
- `integrity`, `check`, `scrub`, `run_isolated`   the whole file examined, now or bit by bit
- `backup`, `salvage`       a copy while it is written; what can be proved of a damaged one
- `snapshots`               what streams fold to, to save time
- `trail`, `dead_letters`   one message's events; messages that could not be answered
- `erasure`, `audit`        a person forgotten; decisions shown, proved and made again
"""
