"""What is often asked of the log, in the terms of those who ask.

Each is a question to an `EventLog`, answered from few events by way of its indexes: by the daemon
while it runs, and by commands beside it. Nothing is stored.

- `trail`             the events that tell one message's story
- `dead_letters`      messages that could not be answered, and wait for the operator
- `erasure`           what has to be read to erase a person's messages
- `account_history`   an account's policies and pairings at each of its versions
"""
