"""The machine that Pilotfish runs on, as dumps: `machine import NAME --host`.

Everything a user may read is read: the copy of /sys that the sysfs reader needs, /proc/cpuinfo with it, the
firmware's ACPI tables, and what the tools `cpuid`, `lspci` and `lstopo` print where they are installed; without
`cpuid`, what the kernel's devices say (host_cpuid.py). What could not be had is said, with the reason and a way to
get it. Nothing here measures or changes anything.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skb import machine
from skb.dumps import Dump, one_file, sysfs_dump
from skb.finding import Found, add_file, gathered, read_whole
from skb.host_cpuid import text_of_devices
from skb.readers import DumpError, cpuid
from skb.readers.sysfs_files import files_of

TOOL_SECONDS = 60.0
"""A tool that takes longer hangs: lspci reads a few kilobytes of each of some hundred functions."""

SYSFS_SECONDS = 60.0
"""/sys of 4,096 CPUs has some 300,000 small files; a driver that hangs would keep us for ever."""

_LICENCES = (b"MSDM", b"SLIC")
"""Tables with the key of a Windows licence, which a folder that people pass on must not have; they tell nothing."""

_TOOLS: tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...] = (
    ("cpuid", "cpuid", (("cpuid", "-r"),)),
    ("pci", "pciutils", (("lspci", "-nnvvv", "-xxxx"),)),
    # --disallowed: cores that a container may not use are there nonetheless; older ones know it by another name
    ("hwloc", "hwloc-nox", (
        ("lstopo", "--disallowed", "--of", "xml", "-"), ("lstopo-no-graphics", "--disallowed", "--of", "xml", "-"),
        ("lstopo", "--whole-system", "--of", "xml", "-"),
    )),
)
"""Kind of dump, Debian's package of the tool, and how it is run: the first way that works counts."""


@dataclass(slots=True)
class Told:
    """What the host told: its dumps, and source and reason of what it did not."""

    dumps: list[Dump] = field(default_factory=list)
    not_read: list[tuple[str, str]] = field(default_factory=list)


def read_host(root: Path = Path("/"), path: str | None = None) -> Told:
    """The dumps of this machine; `root` is where sys/ and proc/ are, `path` where tools are sought (PATH).

    Raises nothing for what cannot be read: that is told in `not_read`.
    """
    told = Told()
    _sysfs(root, told)
    _acpi(root / "sys/firmware/acpi/tables", told)
    for kind, package, commands in _TOOLS:
        refusals: list[str] = []
        for command in commands:
            if _tool(kind, command, path, told, refusals):
                break
        else:
            tool = commands[0][0]
            why = refusals[0] if refusals else f"{tool} is not installed (package {package})"
            if kind != "cpuid" or not _devices(root / "dev/cpu", told, why):
                told.not_read.append((kind, why))
    return told


def _devices(devices: Path, told: Told, why: str) -> bool:
    """CPUID from the kernel where the program gives none; `why` is then told beside why the kernel gives none."""
    try:
        text = text_of_devices(devices)
        if not text:
            return False
        dump = one_file("cpuid", str(devices), "cpuid.txt", text.encode(), False, cpuid.read)
        dump.read()
    except FileNotFoundError:
        return False
    except OSError as error:
        told.not_read.append(("cpuid", f"{why}; {devices}: {machine.reason(error)}, which root may read"))
        return True
    except DumpError as error:
        told.not_read.append(("cpuid", f"{why}; {error}"))
        return True
    told.dumps.append(dump)
    return True


def _sysfs(root: Path, told: Told) -> None:
    origin = str(root / "sys/devices/system")
    # A thread that may be left behind: a read that hangs in the kernel cannot be given up otherwise.
    answer: queue.SimpleQueue[dict[str, bytes] | DumpError] = queue.SimpleQueue()
    threading.Thread(target=_gather, args=(root, answer), name="pilotfish-sysfs", daemon=True).start()
    try:
        files = answer.get(timeout=SYSFS_SECONDS)
    except queue.Empty:
        told.not_read.append(("sysfs", f"{origin}: reading takes longer than {SYSFS_SECONDS:g} s; a driver hangs"))
        return
    if isinstance(files, DumpError):
        told.not_read.append(("sysfs", f"{files}; a container without /sys?"))
        return
    told.dumps.append(sysfs_dump(files, origin))
    if not any(path.endswith("proc/cpuinfo") for path in files):
        told.not_read.append(("cpuinfo", f"{root / 'proc/cpuinfo'}: cannot be read"))
    short = [path for path, data in files.items() if path.endswith("/config") and len(data) <= 64]
    if short:
        told.not_read.append((
            "pci", f"{len(short)} functions show the first 64 bytes of their configuration space only; run as root",
        ))


def _gather(root: Path, answer: queue.SimpleQueue[dict[str, bytes] | DumpError]) -> None:
    try:
        answer.put(files_of(root))
    except DumpError as error:
        answer.put(error)


def _acpi(tables: Path, told: Told) -> None:
    try:
        names = sorted(os.listdir(tables))
    except OSError as error:
        way = "run as root" if isinstance(error, PermissionError) else "a container, or no ACPI firmware"
        told.not_read.append(("acpi", f"{tables}: {machine.reason(error)}; {way}"))
        return
    found = Found()
    refused: list[str] = []
    files = [tables / name for name in names]
    with_dynamic = tables / "dynamic"
    if os.path.isdir(with_dynamic) and os.access(with_dynamic, os.R_OK):
        files += sorted(with_dynamic.iterdir())
    for file in files:
        if not os.path.isfile(file):
            continue
        try:
            data = read_whole(file)
            if data[:4] in _LICENCES:
                told.not_read.append(("acpi", f"{file}: left out, for it holds a licence key"))
            else:
                add_file(str(file), data, found, named=False)
        except DumpError as error:
            refused.append(error.what)
    told.dumps += gathered(found)
    told.not_read += [("acpi", f"{origin}: {why}") for origin, why in found.left_out]
    if refused:
        told.not_read.append(("acpi", f"{tables}: {refused[0]} ({len(refused)} tables); run as root"))
    elif not found.tables:
        told.not_read.append(("acpi", f"{tables}: no table there"))


def _tool(kind: str, command: Sequence[str], path: str | None, told: Told, refusals: list[str]) -> bool:
    """Run a tool and take what it prints, if it is there and prints such a dump; else `refusals` may say why."""
    program = shutil.which(command[0], path=path)
    if program is None:
        return False
    said = f"`{' '.join(command)}`"
    try:
        done = subprocess.run(
            [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_SECONDS, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        refusals.append(f"{said} takes longer than {TOOL_SECONDS:g} s")
        return False
    except OSError as error:
        refusals.append(f"{said} cannot be run: {machine.reason(error)}")
        return False
    complaint = next(iter(done.stderr.decode(errors="replace").strip().splitlines()), "")
    if done.returncode:
        refusals.append(f"{said} failed: {complaint or f'exit status {done.returncode}'}")
        return False
    found = Found()
    try:
        add_file(said, done.stdout, found, named=False)
        dumps = [dump for dump in gathered(found) if dump.kind == kind]
        for dump in dumps:
            dump.read()
    except DumpError as error:
        refusals.append(f"{said} prints what cannot be read: {error}")
        return False
    if not dumps:
        refusals.append(f"{said} told nothing{f': {complaint}' if complaint else ''}")
        return False
    told.dumps += dumps
    denied = len(re.findall(rb"<access denied>", done.stdout))
    if denied:
        told.not_read.append((kind, f"{said}: capabilities of {denied} functions denied; run as root"))
    return True
