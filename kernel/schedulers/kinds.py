"""The regimes by name: what `scheduler list` shows and `scheduler use` takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.rbed import Rbed
from kernel.rbed_barrelfish import BarrelfishRbed
from kernel.schedulers.balancing import Linux
from kernel.schedulers.interrupts import Interrupting
from kernel.schedulers.regime import EachCore, Regime
from kernel.schedulers.slurm import Slurm
from kernel.schedulers.user_gang import UserGang


@dataclass(frozen=True, slots=True)
class Kind:
    """A regime that can be chosen.

    `timeslice` is the cost fact that says how long a timeslice is, None where there is no such thing; `policy` the
    placement policy that it goes with, if it is about where things run.
    """

    name: str
    summary: str
    make: Callable[[Hardware], Regime]
    timeslice: str | None
    policy: str | None = None


def _timeslice(hardware: Hardware) -> int:
    return hardware.cost_ps("timeslice", min(hardware.cores))


def _rbed(hardware: Hardware) -> Regime:
    timeslice = _timeslice(hardware)
    return EachCore(lambda: Rbed(timeslice))


def _rbed_barrelfish(hardware: Hardware) -> Regime:
    timeslice = _timeslice(hardware)
    return EachCore(lambda: BarrelfishRbed(timeslice))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("rbed", "RBED on each core, gangs phase-locked by synchronised timers", _rbed, "timeslice"),
        Kind("rbed-barrelfish", "the same with RBED as Barrelfish ships it, defects included", _rbed_barrelfish,
             "timeslice"),
        Kind("cfs", "Linux: fair shares on each core, load balancing; manifests are best effort", Linux, None),
        Kind("gang-user", "cfs, and a real-time process that raises one gang after the other", UserGang,
             "gang_timeslice"),
        Kind("slurm-like", "cfs, and daemons that suspend and resume jobs over TCP", Slurm, "slurm_timeslice"),
        Kind("gang-ipi", "cfs, and a core that interrupts all others at each timeslice's end", Interrupting,
             "interrupt_timeslice"),
        Kind("partition", "space partitioning: each domain has its cores to itself", _rbed, "timeslice", "partition"),
    )
}  # fmt: skip

DEFAULT = "rbed"


def find(name: str) -> Kind:
    """The regime of that name; KernelError if there is none."""
    try:
        return KINDS[name]
    except KeyError:
        near = difflib.get_close_matches(name, KINDS, 1)
        hint = f"; did you mean {near[0]}?" if near else "; scheduler list names them"
        raise KernelError(f"no scheduler '{name}'{hint}") from None
