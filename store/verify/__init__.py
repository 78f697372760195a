"""The proof that a log is whole: the chain, the words, and every decision made again.

- `heads`              ends of the log, kept elsewhere
- `section`, `words`, `judge`, `facts`   one part of the log, proved
- `proof`              parts put together
- `workers`            parts proved side by side, in processes
"""
