"""How the log lies on the disk: one folder, LMDB's tables, batches as bytes.

Everything that knows LMDB, its file and its tables is here, and so is the one walk over batches, by
which whoever reads them knows that they are what was written. What a commit may contain, and who
may ask for it, is decided in `store.log`.

- `position`, `batch`    the end of the log; a commit as bytes, chained to the one before
- `walk`                 the one walk over batches: each is sound, or its damage is named
- `layout`               the tables, their keys and values
- `data_file`            LMDB's file checked without LMDB
- `read_write_lock`, `database`   LMDB opened, mapped, grown, and shared by threads
- `queries`, `transaction`        what one read transaction asks, and one commit writes
- `tail`                 what is checked on opening
- `folder`, `creation`   the folder, its lock, and a new log in it
"""
