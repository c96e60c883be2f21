"""Kinds of cores by their capacity, where nothing else tells them apart.

The kernel scales a CPU's capacity so that the fastest has 1024 (ABI/testing/sysfs-devices-system-cpu,
`cpu_capacity`). Cores of one kind may differ a little in it, for some are allowed a higher clock than others
(Intel's favoured cores, the four bins of NVIDIA's GB10): hwloc takes highest clocks that are less than a tenth apart
for one (its HWLOC_CPUKINDS_MAXFREQ, `adjust=10`), and so it is here. The sysfs and the hwloc reader share this.
"""

from __future__ import annotations

from collections.abc import Mapping

_ONE_KIND = 0.9
"""A core with this share of the next faster one's capacity, or more, is of its kind."""


def kinds_by_capacity(capacities: Mapping[int, int]) -> dict[int, str]:
    """`performance` for the CPUs of the fastest kind, `efficiency` for all others; none where all are of one."""
    fastest, above = 0, 0
    for capacity in sorted(set(capacities.values()), reverse=True):
        if above and capacity < _ONE_KIND * above:
            break
        fastest = above = capacity
    kinds = {cpu: "performance" if each >= fastest else "efficiency" for cpu, each in capacities.items()}
    return kinds if len(set(kinds.values())) > 1 else {}
