"""What is often asked of the log, in the words of those who ask.

- `trail`          the events that tell one message's story
- `dead_letters`   messages that were given up, and wait for the operator
- `erasure`        what has to be read to erase a person's words
"""
