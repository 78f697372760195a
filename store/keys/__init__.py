"""Keys that can be destroyed, and the bodies that are readable only with them.

The log loses nothing, and people must be able to be forgotten: so their texts are encrypted, and to
erase a person, or a week, is to destroy a key. The keys are in a file of their own beside the log.

- `bodies`     a body encrypted, and read again
- `keyring`    the keys in memory: one for every person and one for every week
- `key_records` the file held against what the log has on record of keys
- `key_file`   their file: appended to and replaced, each time whole or not at all
"""
