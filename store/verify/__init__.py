"""The proof that a log is whole: the chain, the bodies, and every decision made again.

It reads the whole log, believes no table that it has not compared with the events, and names the
first place that is not what was written. `ztm-chat audit verify` is its command.

- `heads`                      heads of the log, saved elsewhere
- `judge`                      decisions made again
- `section`                    one part of the log, with both
- `proof`                      the parts put together
- `workers`                    parts proved at the same time, each in a process of its own
"""
