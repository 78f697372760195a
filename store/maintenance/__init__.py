"""Caring for a log on a disk: check it, copy it, save what can be saved.

This is for a log of doubtful health: files are looked at without LMDB first, tables are read as
they lie there, and the reading is done in a process that may die of it. Each problem is told with
its place and its cure.

- `raw_log`          the log's tables as they lie there, without trusting any index
- `isolation`        work in a process of its own, since damaged pages may kill LMDB
- `body_check`       bodies compared with what their batches say of them
- `key_check`        the file of keys compared with what is on record of keys
- `index_check`      the derived tables compared with the events
- `snapshot_check`   snapshots compared with what their events fold to
- `check`            which parts are intact
- `backup`           copies, and how to restore them
- `page_scan`        a log that was cut off, found again on the pages of its file
- `salvage`          what can be proved of a damaged log, as a new log
- `scrub`            the chain checked in the background
"""
