"""Caring for a log that lies on a disk: check it, copy it, save what can be saved.

- `raw_log`       a log opened below its protocol, as the walkers need it
- `check`         which parts are intact
- `backup`        copies, and the way back
- `salvage`       what of a damaged log can be proved, as a new log
- `scrub`         the chain walked in the background
- `rebuilt`, `kept_states`, `integrity`   what is derived, made again and compared
- `isolation`     work in a process apart, for LMDB may die of damaged pages
"""
