"""The whole file examined: pages, then the chain of all batches. For an operator, and after damage.

The pages come first, for LMDB itself may be killed by a file whose pages are wrong.
"""

from pathlib import Path

from store.data_file import check_data_file, structure
from store.errors import LogError
from store.layout import DATA_FILE
from store.lmdb_log import LmdbLog


def examine(folder: Path) -> list[str]:
    """What is wrong with the log in `folder`, in sentences; nothing when it is sound.

    Not while a daemon writes it. What the indexes hold is not compared with the log.
    """
    try:
        check_data_file(folder / DATA_FILE)
        if problems := structure(folder / DATA_FILE):
            return problems
        log = LmdbLog.open_reader(folder)
    except LogError as error:
        return [str(error)]
    try:
        for _ in log.read():
            pass
    except LogError as error:
        return [str(error)]
    finally:
        log.close()
    return []
