"""Files are written whole or not at all: whoever reads one never sees half of it, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from skb.engine import SkbError


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in the file at `path`, in place of what it held. SkbError, and the old file is as it was.

    It is written beside its place, brought to disk, and then renamed, which the file system does at once or not at
    all; a link is followed, so that what it leads to is replaced and not the link.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise SkbError(f"{path}: is a folder; name a file")
    try:
        mode = place.stat().st_mode & 0o7777 if place.exists() else 0o666 & ~_umask()
        handle, beside = tempfile.mkstemp(prefix=f".{place.name[:200]}.", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(beside, place)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SkbError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
