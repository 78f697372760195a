"""Where the demo happens: a mesh with people, and a real daemon for the bot.

- `daemon_process`   the daemon and the operator's commands, as child processes
- `log_view`         the daemon's event log, read while it runs
- `sandbox`          everything together: act, look, wait
"""
