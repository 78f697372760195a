"""Keys that can be destroyed, and the bodies that are readable only with them.

- `bodies`     a body encrypted, and read again
- `keyring`    the keys in memory: one for every person and one for every week
- `key_file`   their file: appended to and replaced, each time whole or not at all
"""
