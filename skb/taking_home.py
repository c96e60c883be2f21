"""A placement as a real machine's Linux would call it: what `export` writes settings from (skb/export.py).

The rules know Linux's numbers of cores and NUMA nodes (rules/take_home.pl); here a domain's assignments in one of its
phases become a `Job` in those numbers. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skb.engine import SkbError
from skb.knowledge import KnowledgeBase
from skb.placement import BestEffort, Hard, Parameters, Soft

_GOAL = """
    numbered_by(Who),
    findall([C, Cpu, M],
            ( member(C, Cores), linux_cpu(C, Cpu), ( linux_memory(C, M0) -> M = M0 ; M = none ) ),
            Places),
    Cores = [First|_],
    findall(C, ( member(C, Cores), C =\\= First, \\+ coherent(First, C) ), Apart),
    findall(Cpu, ( linux_cpu(C, Cpu), ( C =:= First -> true ; once(coherent(First, C)) ) ), All)
"""


class ExportError(SkbError):
    """A placement that a format cannot say; one line for the user."""


@dataclass(frozen=True, slots=True)
class Job:
    """A domain in one of its phases, in Linux's numbers.

    `cpus` has the CPU of each dispatcher, in their order, and `parameters` what each gets in the phase. `memory` has
    the NUMA node closest to each, and is empty where the machine tells of no memory. `all_cpus` are those of the
    whole Linux. `numbered_by` is `kernel`, `firmware` or `description` (rules/take_home.pl); `renumbered`: CPUs are
    not numbered as the cores. `command` is what to start; with `placeholder` it is the program's name, which stands
    for what the user will start. `phases` counts the manifest's. `priority` is its rank among the domains in real
    time, the shortest period highest; 0: it is not in real time.
    """

    name: str
    machine: str
    cpus: tuple[int, ...]
    memory: tuple[int, ...]
    all_cpus: tuple[int, ...]
    numbered_by: str
    renumbered: bool
    parameters: tuple[Parameters, ...]
    phase: int
    phases: int
    priority: int
    command: tuple[str, ...]
    placeholder: bool

    @property
    def cpu_set(self) -> tuple[int, ...]:
        """The CPUs, each once, ascending."""
        return tuple(sorted(set(self.cpus)))

    @property
    def nodes(self) -> tuple[int, ...]:
        """The NUMA nodes closest to its CPUs, each once, ascending."""
        return tuple(sorted(set(self.memory)))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a tool accepts: the text, what it sets by name, and in lines what it cannot say."""

    text: str
    fields: dict[str, object]
    notes: tuple[str, ...]


def numbers(kb: KnowledgeBase, cores: Sequence[int]) -> dict[str, object]:
    """Of `Job`: cpus, memory, all_cpus, numbered_by and renumbered, of dispatchers on these cores.

    ExportError where no one Linux runs on all of them.
    """
    found = kb.once(_GOAL, {"Cores": tuple(cores)})
    assert found is not None
    if found["Apart"]:
        raise ExportError(
            f"cores {cores[0]} and {found['Apart'][0]} have no coherent caches: no one Linux runs on both, and no "
            f"setting is for several; spawn a domain on each"
        )
    places = found["Places"]
    memory = tuple(memory for _, _, memory in places if memory != "none")
    return {
        "cpus": tuple(cpu for _, cpu, _ in places), "memory": memory if len(memory) == len(places) else (),
        "all_cpus": tuple(found["All"]), "numbered_by": found["Who"],
        "renumbered": any(core != cpu for core, cpu, _ in places),
    }


def ranges(found: Iterable[int], separator: str = ",") -> str:
    """Numbers as Linux writes a list of CPUs: `0-3,8`."""
    pieces: list[list[int]] = []
    for number in sorted(set(found)):
        if pieces and pieces[-1][1] == number - 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    return separator.join(str(a) if a == b else f"{a}-{b}" for a, b in pieces)


def head(job: Job) -> list[str]:
    """What every setting begins with: whose it is, and how far its numbers are to be trusted."""
    cpus = ranges(job.cpus) if job.cpus == job.cpu_set else ",".join(map(str, job.cpus))
    lines = [f"{' '.join(job.name.split())} on {job.machine}: {len(job.cpus)} dispatcher{_s(job.cpus)} on "
             f"CPU{_s(job.cpu_set)} {cpus}"]
    if job.renumbered:
        lines.append("CPUs as the Linux of these cores counts them, which is not that of the others")
    if job.numbered_by == "firmware":
        lines.append("CPUs in the firmware's order, which Linux need not keep: compare with `lscpu --extended`")
    elif job.numbered_by == "description":
        lines.append("CPUs as a description numbers them, no kernel: compare with `lscpu --extended`")
    return lines


def unsaid(job: Job, weight: bool = False) -> list[str]:
    """What no setting of Linux says; with `weight`, best-effort weights are said elsewhere."""
    lines = []
    kinds = {type(each) for each in job.parameters}
    hard = [each for each in job.parameters if isinstance(each, Hard)]
    if any(each.gang for each in hard):
        lines.append("not said: that its gang starts together; Linux schedules every CPU by itself")
    if hard:
        one = hard[0]
        begins = f"offset {ms(one.offset_ns)}" if one.release_ns is None else f"release {ms(one.release_ns)}"
        lines.append(
            f"not said: {ms(one.wcet_ns)} every {ms(one.period_ns)}, deadline {ms(one.deadline_ns)}, "
            f"{begins}; SCHED_DEADLINE guarantees it (chrt --deadline), but with these CPUs only in a "
            f"cpuset partition of them alone"
        )
    if Soft in kinds and not weight:
        soft = next(each for each in job.parameters if isinstance(each, Soft))
        lines.append(f"not said: {ms(soft.wcet_ns)} every {ms(soft.period_ns)}, where there is time for it")
    weights = sorted({each.weight for each in job.parameters if isinstance(each, BestEffort)} - {1})
    if weights and not weight:
        lines.append(f"not said: weight {', '.join(map(str, weights))} (a systemd unit's CPUWeight says it)")
    if job.phases > 1:
        lines.append(f"not said: phases; this is phase {job.phase} of {job.phases}, another needs another setting")
    return lines


def _s(of: Sequence[int]) -> str:
    return "s" if len(of) > 1 else ""


def ms(nanoseconds: int) -> str:
    """A duration of a manifest, in its unit."""
    return f"{nanoseconds / 1e6:g} ms"


def commented(lines: Iterable[str]) -> list[str]:
    return [f"# {line}" for line in lines]
