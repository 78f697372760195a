"""How the log lies on the disk: one folder, LMDB's tables, batches as bytes.

- `layout`      the tables, their keys and values
- `batch`       a commit as bytes, and the hash that chains it to the one before
- `database`    LMDB opened, mapped, grown and read
- `queries`     what is asked within one read transaction
- `tail`        what is checked on opening
- `folder`, `creation`   the folder, its lock, and a new log in it
- `data_file`   LMDB's file walked without LMDB
"""
