"""The daemon's own life: its events, the state that they fold to, and bodies that have become
old."""
