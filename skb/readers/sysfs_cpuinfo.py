"""/proc/cpuinfo: who made each CPU, and what it is called.

A part of the sysfs reader (sysfs.py): hwloc-gather-topology copies the file beside /sys. Each paragraph is a
CPU, each line `key : value`; the keys differ between architectures (the kernel's arch/*/kernel/cpu/proc.c
and setup.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from skb.facts import Fact, Text, compound, fact
from skb.readers.cpuid_identity import VENDORS
from skb.readers.sysfs_files import Tree

_PATH = "proc/cpuinfo"
_COMPUTE_UNIT_FAMILIES = (21, 22)  # AMD 15h and 16h, as hwloc has it


def processors(tree: Tree) -> dict[int, dict[str, str]]:
    """Key to value of every CPU that has a paragraph, by its number, in the order of the file."""
    found: dict[int, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in (tree.outside(_PATH) or "").splitlines():
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            if not key:
                fields = {}
        elif key == "processor" and re.fullmatch("[0-9]{1,6}", value):
            fields = found.setdefault(int(value), {})
        else:
            fields[key] = value
    return found


def is_compute_unit_machine(tree: Tree) -> bool | None:
    """Whether thread siblings may be two cores of an AMD compute unit; None where cpuinfo is missing."""
    for fields in processors(tree).values():
        amd = fields.get("vendor_id") == "AuthenticAMD"
        return None if amd and _integer(fields, "cpu family") in _COMPUTE_UNIT_FAMILIES else False
    return None


def cpuinfo_facts(tree: Tree, online: int) -> Iterator[Fact]:
    """`corename/3`, `vendor/2` and `cpu_family/5` of x86 CPUs, `cpu_brand/2` of any, of those on line."""
    for cpu, fields in sorted(processors(tree).items()):
        if not online >> cpu & 1:
            continue
        apic = _integer(fields, "apicid")
        if apic is not None:
            arch = "x86_64" if "lm" in fields.get("flags", "").split() else "x86_32"
            yield fact("corename", cpu, arch, compound("apic", apic))
        maker = fields.get("vendor_id")
        identity = [_integer(fields, key) for key in ("cpu family", "model", "stepping")]
        if maker in VENDORS:
            yield fact("vendor", cpu, VENDORS[maker])
            if None not in identity:
                numbers = tuple(number for number in identity if number is not None)
                yield fact("cpu_family", cpu, VENDORS[maker], *numbers)
        brand = fields.get("model name") or (fields.get("cpu") if "revision" in fields else None)
        if brand:
            yield fact("cpu_brand", cpu, Text(brand))


def _integer(fields: dict[str, str], key: str) -> int | None:
    value = fields.get(key, "")
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else None
