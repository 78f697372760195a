"""An account: its events, the state that they fold to, and what follows for its people.

- `events`, `state`   what can happen to an account, and what it adds up to
- `pairing`           a stranger gets a code once, the operator lets them in
- `erasure`           a person's words are erased for good
"""
