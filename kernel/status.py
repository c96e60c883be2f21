"""What the shell is told of domains and cores: one line of `ps`, one of `cpus`."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.cpu_driver import CpuDriver
from kernel.domain import Domain


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """One line of `ps`."""

    id: int
    name: str
    program: str
    cores: tuple[int, ...]
    state: str
    phase: int
    cpu_time_ps: int
    progress: int
    deadline_misses: int
    fault: str


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """One line of `cpus`: where the core is, and where its time since boot went."""

    core: int
    package: int
    node: int
    clock_hz: int
    user_ps: int
    kernel_ps: int
    switch_ps: int
    interrupt_ps: int
    idle_ps: int
    context_switches: int
    wakeups: int
    state: str


def domain_status(domain: Domain, now: int) -> DomainStatus:
    """How a domain stands at `now`, all drivers settled."""
    dispatchers = domain.dispatchers.values()
    return DomainStatus(
        domain.id, domain.name, domain.program.name,
        tuple(assignment.core for assignment in domain.placement.assignments),
        domain.state.value, domain.phase,
        sum(dispatcher.cpu_time_ps for dispatcher in dispatchers), domain.progress(now),
        sum(dispatcher.task.misses for dispatcher in dispatchers), domain.fault,
    )


def core_status(driver: CpuDriver) -> CoreStatus:
    """Where a core's time went, its driver settled."""
    core, account = driver.core, driver.account
    return CoreStatus(
        core.number, core.package, core.node, core.clock_hz, account.user, account.kernel, account.switch,
        account.interrupt, account.idle, driver.context_switches, driver.wakeups, driver.state,
    )
