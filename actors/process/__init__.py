"""How the process runs: started, watched, asked, stopped.

- `supervisor`   one daemon after another, until a signal says stop
- `daemon`       log, dispatcher, edges and actors, started and stopped
- `control`, `private_socket`, `pairings`   the socket through which an operator asks and decides
- `status`       what the daemon is doing
- `logs`         the daemon's own messages
- `shutdown_events`   what the main thread waits for
- `state_dump`   what every thread and actor is doing, written to the log
"""
