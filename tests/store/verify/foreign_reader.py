"""The log read without any code of the project: what docs/log-format.md says, in eighty lines."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Raw
from msgspec.msgpack import decode

TABLES = (
    b"log",
    b"streams",
    b"names",
    b"index",
    b"bodies",
    b"seen",
    b"open",
    b"keys",
    b"erased",
    b"meta",
)


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """Every event of the log in `folder`, with its words; raises for a chain that is broken."""
    env = lmdb.open(str(folder), readonly=True, lock=False, max_dbs=len(TABLES))
    try:
        tables = {name: env.open_db(name, create=False) for name in TABLES}
        with env.begin() as txn:
            about = decode(txn.get(b"about", b"", db=tables[b"meta"]))
            if (about["kind"], about["format"]) != ("ztm-chat log", 2):
                raise ValueError(about)
            head = decode(txn.get(b"position", b"", db=tables[b"meta"]))
            keys = read_keys(folder / "keys")
            names: dict[int, str] = {}
            chain = hashlib.sha256(f"ztm-chat log {about['log_id']}".encode()).digest()
            for key, data in txn.cursor(tables[b"log"]):
                previous, first, time, runs, _ = decode(data)
                if previous != chain or int.from_bytes(key, "big") != first:
                    raise ValueError(first)
                chain = hash_of(data)
                for stream, version, offset, name, entries, bodies in runs:
                    for place, slot, digest in bodies:
                        at = (first + offset + place).to_bytes(8, "big") + bytes([slot])
                        body = txn.get(at, b"", db=tables[b"bodies"])
                        if hashlib.sha256(body).digest() != digest:
                            raise ValueError(first)
                    if name is not None:
                        names[stream] = name
                    for place, (cause, event) in enumerate(entries):
                        seq = first + offset + place
                        sealed = txn.get(seq.to_bytes(8, "big") + b"\0", db=tables[b"bodies"])
                        yield {
                            "seq": seq,
                            "stream": names[stream],
                            "version": version + place,
                            "time": time,
                            "cause": cause if cause >= 0 else seq + cause,
                            "event": event,
                            "text": words(sealed, keys, f"{about['log_id']} {seq} 0"),
                        }
            if chain != head[1]:
                raise ValueError(head)
    finally:
        env.close()


def hash_of(data: bytes) -> bytes:
    """SHA-256 of a batch's bytes with each run, and the keys, replaced by their own SHA-256."""
    runs, keys = decode(data, type=tuple[Raw, Raw, Raw, list[Raw], Raw])[3:]
    parts = [bytes(part) for part in (*runs, keys)]
    hashes = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(data[: len(data) - len(b"".join(parts))] + hashes).digest()


def read_keys(path: Path) -> dict[bytes, bytes]:
    """Those of persons by their ids, those of weeks by the two bytes of their numbers."""
    keys = {}
    for row in map(json.loads, path.read_text().splitlines()):
        key = bytes.fromhex(row["key"])
        name = hashlib.sha256(b"ztm-chat key id" + key).digest()[:8]
        keys[row["week"].to_bytes(2, "big") if "week" in row else name] = key
    return keys


def words(sealed: bytes | None, keys: dict[bytes, bytes], place: str) -> str | None:
    """The words of an event; `None` when there are none, or their key is gone."""
    if sealed is None or sealed[:8] not in keys or sealed[8:10] not in keys:
        return None
    key = hmac.digest(keys[sealed[:8]], b"ztm-chat bodies" + keys[sealed[8:10]], "sha256")
    plain = AESGCM(key).decrypt(sealed[10:22], sealed[22:], place.encode())
    return plain[16:].decode("utf-8", "surrogatepass")
