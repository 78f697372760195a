"""What is remembered: an append-only log of events, and what is derived from it.

One writer, any number of readers. An append is atomic, is refused when a stream is not at the
version it was decided on or when it makes a known message known again, and is confirmed only when
it is on the disk. Sequences have no gaps: numbers are given inside the commit. Every commit is one
batch, chained to the one before by its SHA-256, and every batch that is read is checked against
the hash that its successor (or the head) holds of it: LMDB itself notices no altered byte.

Nothing here knows what an event means beyond `events.projections`, acts on the world, or decides.

Each folder imports only from those above it; read them in this order:

- `errors`        how the log fails
- `disk`          how the log lies on the disk, and the one walk over its batches
- `keys`          a key for every person and week, and bodies encrypted under them
- `log`           the protocol `EventLog`; the log on disk and in memory; the thread that commits
- `read_models`   what is often asked of the log
- `maintenance`   check, backup, salvage, and the background scrub
- `verify`        the proof that a log is whole and that every decision follows from its inputs
- `audit`         decisions shown, explained, and made again under another policy
"""
