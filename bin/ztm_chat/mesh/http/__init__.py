"""The agent's HTTP API on loopback, exact in every answer, and the faults it can be given.

Read in this order:

- `exchange`      requests and answers as values
- `http_faults`   slow, wrong and broken answers
- `chat_api`      the Chat app's part of the API
- `http_api`      everything else
- `server`        uvicorn, which can die and return on its port
"""
