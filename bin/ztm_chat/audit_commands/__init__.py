"""The audit commands: they read the log, whether the daemon runs or not. Only `forget` writes."""
