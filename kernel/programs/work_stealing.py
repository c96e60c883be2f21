"""work_stealing: a task-parallel runtime, in the manner of Cilk, that reads its scheduler activations.

Every dispatcher has a deque of tasks. It takes its own from the end; one whose deque is empty steals half of
another's, from the front, and first from those whose page says that they do not run now: their core was taken away,
and their tasks would wait for it (dissertation §2.5.2, §3.5.2). It says that it can spare all cores but one; a
dispatcher that is asked to give up its core deals its tasks out to those that stay, and ends (§3.4.5).
"""

from __future__ import annotations

from collections import deque
from functools import partial

from kernel.programming import Atomic, Code, Compute, Environment, Sleep, program, relinquish, rsrc_spare
from kernel.programs.arguments import numbers

_SHORTEST_NAP_NS, _LONGEST_NAP_NS = 10_000, 1_000_000
"""Who finds nothing to steal looks again after a nap, and each time after one twice as long."""


@program(
    "work_stealing", "do TASKS (256) of CYCLES (1000000), all of dispatcher 0 at first, then end; progress: tasks",
    arguments="[TASKS [CYCLES]]",
)
def work_stealing(environment: Environment) -> Code:
    tasks, cycles = numbers(environment.arguments, 256, 1_000_000, names="[TASKS [CYCLES]]")
    deques = _deques(environment, tasks)
    own = environment.rank
    nap_ns = _SHORTEST_NAP_NS
    if own == 0 and environment.size > 1:
        yield from rsrc_spare(environment, environment.size - 1)
    while sum(environment.tally.values()) < tasks:
        if own > 0 and _asked(environment, own):
            yield from _deal_out(environment, deques)
            yield from relinquish(environment)
        taken = yield Atomic(environment.word(f"deque {own}"), partial(_take, deques[own]))
        if taken is None:
            victim = _victim(environment, deques)
            if victim is None:  # others still do what they took
                yield Sleep(nap_ns)
                nap_ns = min(2 * nap_ns, _LONGEST_NAP_NS)
                continue
            stolen = yield Atomic(environment.word(f"deque {victim}"), partial(_take_half, deques[victim]))
            if stolen:
                taken = stolen.pop()
            if stolen:
                yield Atomic(environment.word(f"deque {own}"), partial(deques[own].extend, stolen))
        if taken is not None:
            nap_ns = _SHORTEST_NAP_NS
            yield Compute(cycles)
            environment.count()


def _asked(environment: Environment, rank: int) -> bool:
    """Whether a dispatcher has been asked to give up its core, or has done so."""
    page = environment.activation(rank)
    return page is not None and (page.asked_until_ps is not None or page.sharing == 0)


def _deal_out(environment: Environment, deques: list[deque[int]]) -> Code:
    """The tasks in the own deque go to the dispatchers that stay, evenly."""
    own = environment.rank
    stay = [rank for rank in range(len(deques)) if rank in environment.dispatchers and not _asked(environment, rank)]
    tasks = yield Atomic(environment.word(f"deque {own}"), partial(_take_all, deques[own]))
    for number, rank in enumerate(stay):
        share = tasks[number :: len(stay)]
        if share:
            yield Atomic(environment.word(f"deque {rank}"), partial(deques[rank].extend, share))


def _take_all(tasks: deque[int]) -> list[int]:
    taken = list(tasks)
    tasks.clear()
    return taken


def _take(tasks: deque[int]) -> int | None:
    return tasks.pop() if tasks else None


def _take_half(tasks: deque[int]) -> list[int]:
    return [tasks.popleft() for _ in range((len(tasks) + 1) // 2)]


def _deques(environment: Environment, tasks: int) -> list[deque[int]]:
    """The domain's deques, by rank; all tasks are in that of dispatcher 0 at first."""
    queues = environment.memory.setdefault("deques", [])
    assert isinstance(queues, list)
    if not queues:
        queues.extend(deque() for _ in range(environment.size))
        queues[0].extend(range(tasks))
    return queues


def _victim(environment: Environment, deques: list[deque[int]]) -> int | None:
    """Whom to steal from: of those with tasks one that does not run, else the one with most."""
    best, found = (False, 0), None
    for rank, queue in enumerate(deques):
        if queue and rank != environment.rank:
            page = environment.activation(rank)
            worth = (page is not None and not page.running, len(queue))
            if worth > best:
                best, found = worth, rank
    return found
