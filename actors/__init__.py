"""Who acts: one actor for the gateway, each account, each peer and each group.

Actors decide; the edges do. An actor receives a message, asks the pure rules in `events` what
follows, appends it, and only when that is durable applies it and calls for effects. It never blocks
and does no HTTP; the edges (`ztm`, `agents`) do that on one asyncio loop, and answer by message.

Read in this order:

- `dispatcher`      how actors run: on a small pool of threads, or on one under a seed
- `messages`        what actors and edges tell each other
- `event_sourced`   an actor whose state is the fold of its stream
- `conversation`, `peer`, `group`   the actors of conversations
- `account`, `gateway`              their parents, which supervise them
- `edge`            the loop that does what actors call for
- `daemon`          the whole of it, started and stopped
- `control`         the private socket through which an operator asks and decides
"""
