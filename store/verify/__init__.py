"""The proof that a log is whole: the chain, the bodies, and every decision made again.

- `heads`                      heads of the log, saved elsewhere
- `words`, `judge`, `section`  bodies, decisions, and with them one part of the log
- `proof`                      the parts put together
- `workers`                    parts proved at the same time, each in a process of its own
"""
