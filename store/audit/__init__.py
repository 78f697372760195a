"""The audit: show and explain decisions, and make them again. Reads; never writes the log.

Read in this order:

- `selection`   which decisions somebody wants to see
- `rows`        from events to decisions, each with its message
- `decisions`   decisions in the order made
- `places`      where decisions of somebody, or for some reason, are: small tables of their own
- `index`       these built, kept up to date, and thrown away when they don't match the log
- `what_if`     history decided again under another configuration
- `past_state`  the state of everything at an earlier time
- `export`      conversations in a form that needs none of this
"""
