"""The file of keys compared with what the log has on record of keys, beside a daemon too."""

import time

from store.disk import queries
from store.disk.folder import is_held
from store.keys.key_records import all_mismatches
from store.maintenance.raw_log import RawLog

_LOOKS = 10
_BETWEEN_LOOKS_S = 0.2


def key_mismatches(source: RawLog) -> list[str]:
    """What is wrong with the file, in sentences; nothing when its keys are those on record.

    The end of a key is first recorded, then it is destroyed: while a daemon runs, an erased key is
    looked for again.
    """
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS_S)
        wrong = all_mismatches(source.ask(queries.key_records), source.keyring.ids())
        if not wrong or not is_held(source.folder):
            break
    return wrong
