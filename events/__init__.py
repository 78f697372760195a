"""What can happen, what it means, and what must follow.

Pure: nothing here does I/O, reads a clock, starts a thread or draws a random number. That is what
makes it honest to fold an old log again, or to decide an old message again, years later.

Read in this order:

- `event`         an event, as drafted and as recorded, and bodies (people's words)
- `streams`       the names of the streams that events live in
- `gateway`, `account_events`, `conversation_events`   the vocabulary, stream by stream
- `codec`         events to bytes and back, schema versions and upcasting
- `names`, `identity`, `wire_text`   names compared, messages told apart, texts made safe
- `policy`, `direct`, `group`, `mention`, `tools`      who may be answered, and why
- `account`, `conversation`   state as a fold: `evolve(state, recorded) -> state`
- `policy_context`      what an account hands to its conversations to decide by
- `judgement`     the policies put together: live, and again from the log alone
- `arrivals`, `turns`, `outbox`, `pairing`, `erasure`   what follows: `decide_…(…) -> drafts`
- `effects`       what a state calls for beyond the log: ask, send, request a code, wake later
- `projections`   what the log's derived indexes hold of an event
"""
