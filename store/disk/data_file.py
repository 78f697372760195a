"""Is LMDB's file safe to map? Looked at without LMDB, which dies of a file that is too short.

A page that the map promises and the file doesn't hold kills the process (SIGBUS) when it is read,
without an exception. So the file's meta pages are read first, in the layout of LMDB 0.9.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

from lmdb import verify

from store.disk.folder import check_regular_files
from store.errors import LogDamaged

_MAGIC = 0xBEEFC0DE
_VERSION = 1
_META_FLAG = 0x08
_TREE_FLAGS = 0x03
_NO_PAGE = (1 << 64) - 1
_HEADER = struct.Struct("=QHH")
_META = struct.Struct("=II8x8xI44xI36xQQQ")
_HEADER_BYTES = 16
_CURE = "restore the log from a backup, or save what can be proved: ztm-chat store salvage"


class _Meta(NamedTuple):
    page_size: int
    root: int
    last_page: int
    transaction: int


def check_data_file(path: Path) -> None:
    """Raise `LogDamaged` when `path` is no LMDB file, or lacks pages that it needs; `LogUnusable`
    when it, or another of the log's files, is no regular file.

    A healthy file can be some pages short: pages that were allocated and freed within one commit
    are never written. Then only a walk through all pages tells.
    """
    check_regular_files(path.parent)
    with path.open("rb") as file:
        while True:
            meta = _newest(file.fileno(), path)
            size = os.fstat(file.fileno()).st_size
            if size >= (meta.last_page + 1) * meta.page_size:
                _check_root(file.fileno(), meta, path)
                return
            problems = structure(path)
            if meta == _newest(file.fileno(), path):  # else a daemon wrote during the walk
                break
    if problems:
        raise LogDamaged(
            "the data file is cut off or damaged",
            where=f"{path}, byte {size}",
            found=f"{size} of {(meta.last_page + 1) * meta.page_size} bytes; {problems[0]}",
            cure=_CURE,
        )


def structure(path: Path) -> list[str]:
    """What is wrong with the pages of the whole file, in sentences; nothing if they are sound.

    The walk's own book of pages in use is consulted too: it does not look at the pages of a long
    value beyond the first, and the file may end within them.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        walk = verify._Verifier(file, size)  # type: ignore[no-untyped-call]
        try:
            problems = list(walk.verify())  # type: ignore[no-untyped-call]
        except verify.VerifyError as error:
            return [str(error)]
    missing = walk.live.find(1, size // walk.psize)
    return [*problems, f"page {missing} is in use and not there"] if missing >= 0 else problems


def _newest(fd: int, path: Path) -> _Meta:
    first = _read_meta(fd, 0, path)
    second = _read_meta(fd, first.page_size, path)
    return max(first, second, key=lambda meta: meta.transaction)


def _read_meta(fd: int, offset: int, path: Path) -> _Meta:
    data = os.pread(fd, _HEADER_BYTES + _META.size, offset)
    if len(data) < _HEADER_BYTES + _META.size:
        raise LogDamaged(
            "the data file is cut off", where=f"{path}, byte {offset + len(data)}", cure=_CURE
        )
    _, _, flags = _HEADER.unpack_from(data)
    magic, version, page_size, _, root, last_page, txn = _META.unpack_from(data, _HEADER_BYTES)
    sane = 512 <= page_size <= 0x8000 and page_size & (page_size - 1) == 0
    if not flags & _META_FLAG or magic != _MAGIC or version != _VERSION or not sane:
        raise LogDamaged("not a data file of LMDB 0.9", where=f"{path}, byte {offset}", cure=_CURE)
    return _Meta(page_size, root, last_page, txn)


def _check_root(fd: int, meta: _Meta, path: Path) -> None:
    if meta.root == _NO_PAGE:
        return
    offset = meta.root * meta.page_size
    data = os.pread(fd, _HEADER.size, offset) if meta.root <= meta.last_page else b""
    if len(data) < _HEADER.size or _bad_tree_page(data, meta.root):
        raise LogDamaged(
            "the data file's first page of tables is damaged",
            where=f"{path}, byte {offset}",
            cure=_CURE,
        )


def _bad_tree_page(data: bytes, number: int) -> bool:
    page, _, flags = _HEADER.unpack_from(data)
    return page != number or not flags & _TREE_FLAGS
