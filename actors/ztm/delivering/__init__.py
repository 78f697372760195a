"""Handing over to the actors what was read, and hearing whether it was decided.

In the order to read them: `receipts` (how an actor confirms or refuses), `on_record` (what need
not be delivered), `deliveries` (messages to their conversations), `groups` (members to the
account, before their messages).
"""
