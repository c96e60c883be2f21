"""A placement as a setting for a real machine: `export DOMAIN --as FORMAT`.

The formats are written by the modules of skb/writers that are named here; what they write from is a `Job`
(skb/taking_home.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skb.taking_home import Job, Setting
from skb.writers.command_lines import numactl, omp, taskset
from skb.writers.kubernetes import kubelet, pod
from skb.writers.slurm import slurm
from skb.writers.systemd import systemd

FORMATS: Mapping[str, Callable[[Job], Setting]] = {
    "taskset": taskset, "numactl": numactl, "omp": omp, "systemd": systemd, "slurm": slurm, "kubernetes": pod,
    "kubelet": kubelet,
}
"""Every format by name."""
