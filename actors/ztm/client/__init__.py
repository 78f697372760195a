"""The ZTM Agent's HTTP API, as far as the daemon uses it.

In the order to read them: `errors` (how a request can fail), `paths` (names, and the chat's files),
`lenient` (JSON as the agent really writes it), `answers` and `entries` (what comes back),
`failures` (from a failed request to its error), `ztm_client` (the requests), `tls`.
"""
