"""The audit: show and explain decisions, and make them again. Reads; never writes the log.

What an operator or an auditor asks years later: who was answered and why, what another policy would
have done, what the state was at some time. It answers from the events alone; its one table, the
trail's index, is disposable. Whether the events can be trusted is for `store.verify` to say.

Read in this order:

- `selection`   which decisions somebody wants to see
- `rows`        from events to decisions, each with its message
- `decisions`   decisions in the order made
- `places`      where decisions of somebody, or for some reason, are: small tables of their own
- `index`       these built, kept up to date, and thrown away when they don't match the log
- `outcomes`    which accepted messages got no answer
- `what_if`     history decided again under another configuration
- `past_state`  the state of everything at an earlier time
- `export`      conversations in a form that needs none of this
"""
