"""A machine folder is written: whole or not at all.

The files go into a folder beside the machine's place, hidden from list_machines (machine.py), are flushed to the
disk, and renamed into place together. A full disk, a refusal, Ctrl-C: nothing is left behind, and a machine that
was to be replaced is still there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from skb import machine
from skb.machine import MachineError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
_STALE_SECONDS = 3600.0
"""No import takes so long: what is older was left behind by one that was killed."""


def machine_place(name: str, replace: bool) -> Path:
    """The folder of a machine to be; MachineError where it may not have that name."""
    if not _NAME.match(name):
        raise MachineError(
            f"'{name[:80]}' is no name for a machine: letters, digits, '.', '_', '+' and '-', "
            "a letter or digit first, 64 at most"
        )
    if (machine.SHIPPED / name).is_dir():
        raise MachineError(f"{name} is a machine that comes with Pilotfish; take another name")
    folder = machine.user_machines() / name
    if os.path.lexists(folder) and not replace:
        raise taken(folder)
    return folder


def write_machine(folder: Path, files: Mapping[str, bytes], replace: bool) -> None:
    """Write a machine's files, by path in its folder, whole or not at all.

    MachineError where they cannot be written, or a machine is there and not to be replaced.
    """
    home = folder.parent
    staged: str | None = None
    try:
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        staged = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=home)
        os.chmod(staged, 0o755)
        folders = {Path(staged)}
        for path, data in files.items():
            file = Path(staged) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            folders.add(file.parent)
            with file.open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        for each in (*folders, home):
            _flush(each)
        _put(staged, folder, replace)
        _flush(home)
    except OSError as error:
        raise MachineError(f"{folder}: not written: {machine.reason(error)}; nothing was written") from None
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)


def _put(staged: str, folder: Path, replace: bool) -> None:
    """Rename the new machine into its place, what it replaces out of it; of two renames both happen or none."""
    if not os.path.lexists(folder):
        os.rename(staged, folder)
        return
    if not replace:
        raise taken(folder)
    if _exchange(staged, folder):
        return  # what it replaced is removed as what was staged
    old = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
    try:
        os.rename(folder, f"{old}/{folder.name}")
        os.rename(staged, folder)
    except BaseException:
        if not os.path.lexists(folder):
            with contextlib.suppress(OSError):
                os.rename(f"{old}/{folder.name}", folder)
        raise
    finally:
        if os.path.lexists(folder):
            shutil.rmtree(old, ignore_errors=True)


def _exchange(one: str, other: Path) -> bool:
    """Exchange two folders in one step (Linux, renameat2(2)); False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(
        renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)) == 0
    )


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(home: Path) -> None:
    """Remove what an import left behind that was killed."""
    now = time.time()
    for entry in home.glob(".*-*"):
        with contextlib.suppress(OSError):
            if now - entry.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)


def taken(folder: Path) -> MachineError:
    """The error for a name that another machine has."""
    return MachineError(f"there is a machine {folder.name} already, {folder}; --replace puts this one in its place")
