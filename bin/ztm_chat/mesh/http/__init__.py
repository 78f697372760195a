"""The agent's HTTP API on loopback, answer for answer, and what can be made to go wrong with it.

Read in this order:

- `exchange`      requests and answers as values
- `http_faults`   slow, wrong and broken answers
- `chat_api`      the Chat app's part of the API
- `http_api`      everything else
- `server`        uvicorn, which can die and return on its port
"""
