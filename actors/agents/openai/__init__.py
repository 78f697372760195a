"""Any server of OpenAI-compatible chat completions as the agent.

In the order to read them: `prompt` (a question as the messages of a request), `author_label` (whose
words they are), `completion` (reading what comes back) with `chunk` (one JSON object of it) and
`thoughts`, `server_errors` (what a failure means), `secret` (the key, kept out of sight),
`openai_agent` (all of that, over HTTP).
"""
