"""The file of keys held against the log, which has on record whose each key is, and which are
gone.

A key's id is a hash of it, and the chain of batches covers the ids: so a key that was taken away,
put back, exchanged, or given to somebody else doesn't pass for the one that was used.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from store.disk.queries import KeyRecords
from store.errors import LogDamaged

CURE = (
    "restore the file `keys` of this log from a backup; what can be had without it:"
    " ztm-chat store salvage"
)


class KeysMismatch(LogDamaged):
    """Keys that must be in the file are not, or are others'."""


def mismatches(records: KeyRecords, ids: Mapping[str | int, bytes]) -> Iterator[str]:
    """What is wrong with a file that holds these keys, in sentences."""
    for owner, key_id in records.live.items():
        if owner not in ids:
            yield f"{_key_of(owner)} is missing"
        elif ids[owner] != key_id:
            yield f"{_key_of(owner)} is not the one that was used"
    holders = {key_id: owner for owner, key_id in records.live.items()}
    holders |= {key_id: erased.owner for key_id, erased in records.erased.items()}
    for owner, key_id in ids.items():
        if holders.setdefault(key_id, owner) != owner:
            yield f"{_key_of(owner)} is that of {_named(holders[key_id])}"


def leftovers(records: KeyRecords, ids: Mapping[str | int, bytes]) -> list[str | int]:
    """Whose keys are there though they were erased."""
    return [owner for owner, key_id in ids.items() if _is_leftover(records, owner, key_id)]


def check_keys(
    records: KeyRecords, ids: Mapping[str | int, bytes], path: Path, *, erased: bool
) -> None:
    """Raise `KeysMismatch` when keys that must be in the file `path` are not, or are others'; with
    `erased` also when one is there that was erased.
    """
    if found := all_mismatches(records, ids) if erased else list(mismatches(records, ids)):
        more = f" (and {len(found) - 1} more)" if found[1:] else ""
        raise KeysMismatch(
            "the file of keys does not belong to this log, or not all of it is there",
            where=str(path),
            found=found[0] + more,
            cure=CURE,
        )


def all_mismatches(records: KeyRecords, ids: Mapping[str | int, bytes]) -> list[str]:
    """The same as sentences, with the erased keys that are there."""
    again = leftovers(records, ids)
    return [*mismatches(records, ids), *(f"{_key_of(owner)} was erased" for owner in again)]


def _is_leftover(records: KeyRecords, owner: str | int, key_id: bytes) -> bool:
    erased = records.erased.get(key_id)
    return erased is not None and erased.owner == owner


def _key_of(owner: str | int) -> str:
    return f"the key of {_named(owner)}"


def _named(owner: str | int) -> str:
    return f"the week {owner}" if isinstance(owner, int) else repr(owner)
