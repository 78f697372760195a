"""The ZTM Agent's HTTP API, as far as the daemon uses it.

In the order to read them: `paths` (names, and the chat's files), `lenient` (JSON as the agent
really writes it), `entries` and `answers` (what comes back), `failures` (from a failed request to
its error), `ztm_client` (the requests), `tls`.
"""
