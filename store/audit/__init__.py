"""The audit: show, explain, re-run and prove what was decided. Reads; never writes the log.

Read in this order:

- `heads`      the end of the chain as text, to be kept elsewhere
- `source`     batches and bodies as raw bytes, a portion at a time, without trusting any index
- `facts`      what an account's stream said at some version: policy in force, who was paired
- `words`      bodies against the digests that events carry
- `judge`      every decision made again
- `section`    a stretch of the log proved: chain, versions, bodies, every decision decided again
- `proof`      the sections of a log put together: what holds, and the first place that does not
- `workers`    a process a section, so that a damaged file kills a worker and not the audit
- `selection`  which decisions somebody wants to see
- `rows`       events put together to decisions
- `places`     where decisions of somebody, or for some reason, are: small tables of their own
- `index`      these built, caught up, and thrown away when they don't fit the log
- `decisions`  decisions in the order made, with the message that each is about
- `what_if`    history decided again under another configuration
- `moment`     the state of everything at a time, by folding up to it
- `rebuilt`    the derived tables built again and compared with the live ones
- `kept_states`   snapshots compared with what their events fold to
- `export`     conversations in a form that needs none of this
"""
