"""The /proc/cpuinfo reader: what the Linux kernel says of its CPUs where that one file is all there is.

A copied /sys tells more, and better (sysfs.py, which reads the names in the cpuinfo beside it); this reader is
for the file by itself (source `sysfs`), and for the clock, which a kernel without cpufreq tells nowhere else.
Keys are those of the kernel's arch/*/kernel/cpu/proc.c and setup.c.

    cpu_thread(Core, Package, CoreInPackage, Thread)    by `physical id` and `core id`
    cpu_clock(Core, Hertz)                               see `clocks`
    corename, vendor, cpu_family, cpu_brand              as sysfs_cpuinfo.py has them
"""

from __future__ import annotations

import re
from collections import Counter

from skb.facts import Fact, fact
from skb.readers import DumpError
from skb.readers.cpusets import LARGEST_CPU
from skb.readers.sysfs_cpuinfo import cpuinfo_facts
from skb.readers.sysfs_files import Tree

_PROCESSOR = re.compile(r"processor\s*:\s*([0-9]{1,6})\s*\Z")
_PROCESSOR_LINE = re.compile(rb"^processor[ \t]*:[ \t]*[0-9]{1,6}[ \t\r]*$", re.MULTILINE)
_OTHER_LINE = re.compile(
    rb"^(?:vendor_id|model name|vendor|cpu|clock|BogoMIPS|Features|CPU implementer|isa)[ \t]*:",
    re.MULTILINE | re.IGNORECASE,
)
_IN_NAME = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)\+? ?([MG])Hz", re.IGNORECASE)
_MEGAHERTZ = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(?: ?MHz)?\Z", re.IGNORECASE)
_HERTZ = {"M": 10**6, "G": 10**9}


def recognises(data: bytes) -> bool:
    """Whether the bytes are a /proc/cpuinfo: a `processor` line, and others of the kernel's."""
    head = data[:65536]
    return b"\0" not in head and _PROCESSOR_LINE.search(head) is not None and _OTHER_LINE.search(head) is not None


def read(data: bytes, name: str) -> list[Fact]:
    """The facts of the file; `name` is what errors call it.

    Raises DumpError where there is no CPU in it, or (`name`:line) one that comes twice or has another
    number than a CPU can have.
    """
    cpus = _processors(data, name)
    if not cpus:
        raise DumpError(f"{name}:1", "no CPU; expected the kernel's /proc/cpuinfo, with a line `processor : 0`")
    online = sum(1 << cpu for cpu in cpus)
    facts = list(cpuinfo_facts(Tree({}, {"proc/cpuinfo": data}, name), online))
    threads: Counter[tuple[int, int]] = Counter()
    for cpu, fields in sorted(cpus.items()):
        # LoongArch and MIPS call them otherwise
        package = _integer(fields, "physical id", _integer(fields, "package", 0))
        core = _integer(fields, "core id", _integer(fields, "core", cpu))
        facts.append(fact("cpu_thread", cpu, package, core, threads[package, core]))
        threads[package, core] += 1
    facts += [fact("cpu_clock", cpu, hertz) for cpu, (hertz, _) in sorted(_clocks(cpus).items())]
    return facts


def clocks(data: bytes, name: str) -> dict[int, tuple[int, str]]:
    """The clock of each CPU in hertz, and which line of the file says so.

    That is the clock in the CPU's name (`@ 2.50GHz`), else `clock` or `cpu MHz`. These two are what the
    clock was when the file was read, which saving power lowers, so that the highest of any CPU of that name
    counts. Raises DumpError as `read` does.
    """
    return _clocks(_processors(data, name))


def clock_in_name(brand: str) -> int | None:
    """The clock in hertz that a processor's name ends in, such as `@ 2.50GHz`; None where it has none."""
    found = _IN_NAME.findall(brand)
    return round(float(found[-1][0]) * _HERTZ[found[-1][1].upper()]) or None if found else None


def _clocks(cpus: dict[int, dict[str, str]]) -> dict[int, tuple[int, str]]:
    highest: dict[str, tuple[int, str]] = {}
    for fields in cpus.values():
        name = fields.get("model name", "")
        for key in ("clock", "cpu MHz"):
            value = _MEGAHERTZ.match(fields.get(key.lower(), ""))
            hertz = round(float(value[1]) * 10**6) if value else 0
            if hertz > highest.get(name, (0, ""))[0]:
                highest[name] = hertz, key
    found = {}
    for cpu, fields in cpus.items():
        name = fields.get("model name", "")
        stated = clock_in_name(name)
        if stated:
            found[cpu] = stated, "model name"
        elif name in highest:
            found[cpu] = highest[name]
    return found


def _processors(data: bytes, name: str) -> dict[int, dict[str, str]]:
    """Key, in small letters, to value of every CPU's paragraph, by its number."""
    found: dict[int, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        match = _PROCESSOR.match(line)
        key, colon, value = line.partition(":")
        if match:
            cpu = int(match[1])
            if cpu in found or cpu > LARGEST_CPU:
                what = "a second time" if cpu in found else f"there is no number above {LARGEST_CPU}"
                raise DumpError(f"{name}:{number}", f"processor {cpu}: {what}")
            fields = found[cpu] = {}
        elif colon:
            fields[key.strip().lower()] = value.strip()  # LoongArch has capitals
        elif not line.strip():
            fields = {}  # what stands in a paragraph of its own is of no one CPU
    return found


def _integer(fields: dict[str, str], key: str, default: int) -> int:
    value = fields.get(key, "")
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else default
