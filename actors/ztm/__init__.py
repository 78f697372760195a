"""The edge to the ZTM Agent: what is asked of it over HTTP, and how its answers are read.

Everything from the mesh is hostile until it was bounded in size and parsed. From the bottom up:

- `errors`: how it can fail.
- `client`: the requests, and what comes back.
- `account_link`: what everything that serves one account shares; with `timing` and `health`.
- `joining`: getting into the mesh as the right user.
- `sending`: bringing a message into our own files, exactly once.
- `delivering`: handing messages to the actors, and hearing whether they were decided.
- `reading`: from the mesh's files to messages that can be decided.
- `watching`: the two sources of messages, and how they keep each other honest.
- `account_edge`: all of that, wired up for one account.
"""
