"""A conversation with a person or a group: its events, its state, and every decision in it.

Read in this order:

- `events`, `state`    what can happen in a conversation, and what it adds up to
- `identity`           how a message is known again, whoever shows it
- `policy_context`     what the account knows, and a conversation decides by
- `judgement`          the verdict on one message
- `decision_builder`   events that follow one from another
- `arrivals`, `turns`, `outbox`   what follows from a message, an agent's answer, a sent reply
- `effects`            what a durable state calls for in the world
- `wire_text`, `notices`          texts made safe for the mesh, and texts of our own
"""
