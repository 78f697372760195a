"""The commands of the audit: they read the log, beside its daemon or without one."""
