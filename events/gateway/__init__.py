"""The daemon's own life: its events, the state that they fold to, and words that have become
old."""
