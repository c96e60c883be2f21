"""The clock of each core, from whichever of the kernel's files tells it best.

A part of the sysfs reader (sysfs.py). A core's clock is the steady one in which its cycles are counted (the
time-stamp counter's on x86), not what it happened to run at. In the order of belief:

    cpufreq/base_frequency          the base clock (intel_pstate), kHz
    acpi_cppc/nominal_freq          the same as the firmware tells it, MHz; 0 on some Sapphire Rapids
    `@ 2.50GHz` in model name       of proc/cpuinfo: the base clock, rounded
    half of x86's bogomips          the time-stamp counter's clock (arch/x86/kernel/tsc.c sets loops_per_jiffy
                                    by it): measured, so that the median of the CPUs of that name counts, in MHz
    cpufreq/cpuinfo_max_freq        the highest clock, kHz
    cpu MHz, clock, ...             of proc/cpuinfo: the clock when it was read, which saving power lowers, so
                                    that the highest of any CPU of that name counts
    clock-frequency                 of proc/device-tree/cpus, Hz, where it is the same for all
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from skb.readers.cpuid_identity import VENDORS
from skb.readers.cpuinfo import clock_in_name
from skb.readers.cpusets import cpus_of
from skb.readers.sysfs_cpuinfo import processors
from skb.readers.sysfs_files import Tree

_BASE = (("cpufreq/base_frequency", 1_000), ("acpi_cppc/nominal_freq", 1_000_000))
_HIGHEST = (("cpufreq/cpuinfo_max_freq", 1_000),)
_DEVICE_TREE = re.compile(r"proc/device-tree/cpus/[^/]+/clock-frequency")
_NOW = re.compile(r"(?:cpu mhz(?: static| dynamic)?|clock|cycle frequency \[hz\]|cpu[0-9]*clktck)\Z", re.IGNORECASE)
"""Keys of x86, s390, ia64 and many others; ppc; alpha; sparc."""

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)")
_LARGEST_HERTZ = 10**11
"""Ten times what any processor has reached."""


def clocks(tree: Tree, online: int) -> dict[int, int]:
    """The clock in hertz of each CPU on line of which something tells it."""
    told = processors(tree)
    time_stamps = _time_stamps(told)
    running = _running(tree, told)
    stated = _in_device_tree(tree)
    found: dict[int, int] = {}
    for cpu in cpus_of(online):
        fields = told.get(cpu, {})
        hertz = (
            _of_driver(tree, cpu, _BASE)
            or clock_in_name(fields.get("model name", ""))
            or time_stamps.get(_name(fields), 0)
            or _of_driver(tree, cpu, _HIGHEST)
            or running.get(_name(fields), 0)
            or stated
        )
        if 0 < hertz <= _LARGEST_HERTZ:
            found[cpu] = hertz
    return found


def _of_driver(tree: Tree, cpu: int, files: tuple[tuple[str, int], ...]) -> int:
    values = ((tree.number(f"cpu/cpu{cpu}/{file}") or 0) * unit for file, unit in files)
    return next((value for value in values if value > 0), 0)


def _name(fields: Mapping[str, str]) -> str:
    return fields.get("model name") or fields.get("cpu", "")


def _time_stamps(told: Mapping[int, Mapping[str, str]]) -> dict[str, int]:
    measured: defaultdict[str, list[float]] = defaultdict(list)
    for fields in told.values():
        number = _NUMBER.match(fields.get("bogomips", "")) if fields.get("vendor_id") in VENDORS else None
        if number:
            measured[_name(fields)].append(float(number[1]) / 2)
    return {name: round(median(values)) * 1_000_000 for name, values in measured.items()}


def _running(tree: Tree, told: Mapping[int, Mapping[str, str]]) -> dict[str, int]:
    """The highest clock of the CPUs of each name; of `` for those of which the file does not tell it apart."""
    highest: defaultdict[str, int] = defaultdict(int)
    for fields in told.values():
        for key, value in fields.items():
            highest[_name(fields)] = max(highest[_name(fields)], _hertz(key, value))
    lines = (line.partition(":") for line in (tree.outside("proc/cpuinfo") or "").splitlines())
    anyone = max((_hertz(key.strip(), value.strip()) for key, _, value in lines), default=0)
    return {"": anyone} | {name: hertz or anyone for name, hertz in highest.items()}


def _hertz(key: str, value: str) -> int:
    if not _NOW.match(key):
        return 0
    if key.lower().endswith("clktck"):  # sparc: hertz, hexadecimal
        return int(value, 16) if re.fullmatch("[0-9a-f]{1,16}", value) else 0
    number = _NUMBER.match(value)
    return round(float(number[1]) * (1 if "[" in key else 1_000_000)) if number else 0


def _in_device_tree(tree: Tree) -> int:
    stated = {int.from_bytes(content, "big") for content in tree.contents(_DEVICE_TREE) if len(content) in (4, 8)}
    return stated.pop() if len(stated) == 1 else 0
