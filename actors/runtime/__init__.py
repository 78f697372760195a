"""How actors run, and what keeps them running. Nothing here knows who they are.

- `scheduled_actor`  a Pykka actor that costs an inbox and no thread
- `dispatcher`       runs actors on a small pool of threads, or on one under a seed
- `actor_report`     what one actor is doing
- `system`           what every actor needs from the world
- `event_sourced`    an actor whose state is the fold of its stream
- `loader`           folds streams for actors that begin
- `children`         live actors by stream
- `poison_messages`  what to tell a restarted actor
"""
