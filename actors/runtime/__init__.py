"""How actors run, and what keeps them running. Nothing here knows who they are.

- `dispatcher`       actors on a small pool of threads, or on one under a seed
- `system`           what every actor needs from the world
- `event_sourced`    an actor whose state is the fold of its stream
- `loader`           folds streams for actors that begin
- `children`         live actors by stream
- `poison_messages`  what to tell a restarted actor
"""
