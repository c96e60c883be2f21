"""The whole simulated kernel beside SimSo: periodic jobs a second, system calls, memory a dispatcher.

    python benchmarks/whole_kernel.py

Jobs: 16 cores, 4 hard periodic tasks each (U = 0.75 a core), partitioned EDF, the same task set and the same
simulated time in each. Ours is `Rbed` on each core under an event heap, as bare as SimSo's scheduling model, and
then the multikernel with CPU drivers, dispatchers, costs and logs. SimSo is simulated if it is there:
`pip install --target DIR simso`, then run with PYTHONPATH=DIR. Beside
a system call is a heapreplace, measured in the same run. Memory is what 10,000 dispatchers of one thread each add to
the resident set, and to Python's objects by tracemalloc.
"""

from __future__ import annotations

import gc
import heapq
import io
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path

from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.dispatcher import Dispatcher
from kernel.multikernel import Multikernel
from kernel.program import Environment, Invoke, program
from kernel.rbed import BestEffort, Hard, Rbed, Task
from kernel.threads import Code
from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase

RUNS = 5
CORES = 16
TASKS = ((2, 10), (4, 20), (7, 40), (14, 80))  # WCET and period in ms: U = 0.75
SIMULATED_MS = 8000
JOBS = CORES * sum(SIMULATED_MS // period for _, period in TASKS)
DISPATCHERS = 10_000



@program("invoker", "one system call after another; for this benchmark")
def invoker(environment: Environment) -> Code:
    """A null system call, then the next."""
    while True:
        yield Invoke(_nothing)


def _nothing(_: int) -> None:
    """What the system call does."""


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


# -- periodic jobs ---------------------------------------------------------------------------------


def bare_rbed() -> int:
    """The jobs of `SIMULATED_MS` on 16 schedulers under one heap of decisions; how many ended."""
    end = SIMULATED_MS * PS_PER_MS
    cores = [Rbed(5 * PS_PER_MS) for _ in range(CORES)]
    tasks = []
    for core in cores:
        for number, (wcet, period) in enumerate(TASKS):
            tasks.append(Task(number))
            core.add(tasks[-1], Hard(wcet * PS_PER_MS, period * PS_PER_MS, period * PS_PER_MS), 0)
    heap = [(0, index) for index in range(CORES)]
    while heap[0][0] < end:
        now, index = heap[0]
        core = cores[index]
        core.dispatch(now)
        following = core.next_decision(now)
        heapq.heapreplace(heap, (end if following is None else following, index))
    assert not any(task.misses for task in tasks)
    return sum(task.jobs for task in tasks)


def whole_kernel(kb: KnowledgeBase) -> Multikernel:
    """A multikernel with the same tasks as domains of 16 dispatchers, spawned and settled."""
    kernel = Multikernel.boot(kb)
    for wcet, period in TASKS:
        kernel.spawn("cpu_bound", CORES, manifest=f"H {wcet} {period} {period}\n")
    kernel.run(100 * PS_PER_MS)
    return kernel


def hard_jobs(kernel: Multikernel) -> int:
    """How many jobs of hard tasks have ended; none may have been late."""
    dispatchers = [each for driver in kernel.drivers.values() for each in driver.dispatchers.values()]
    assert not any(each.task.misses for each in dispatchers)
    return sum(each.task.jobs for each in dispatchers)


def simso() -> tuple[int, float] | None:
    """Jobs and seconds of SimSo's P-EDF on the task set, or None where it is not installed."""
    try:
        settings = import_module("simso.configuration")
        core_of_simso = import_module("simso.core")
    except ImportError:
        return None
    configuration = settings.Configuration()
    configuration.cycles_per_ms = 1_000_000
    configuration.duration = SIMULATED_MS // 8 * configuration.cycles_per_ms  # it is slow, and gets slower
    for core in range(CORES):
        configuration.add_processor(name=f"CPU {core}", identifier=core + 1)
        for number, (wcet, period) in enumerate(TASKS, 1 + core * len(TASKS)):
            configuration.add_task(
                name=f"task {number}", identifier=number, period=period, activation_date=0, wcet=wcet,
                deadline=period, abort_on_miss=False,
            )
    configuration.scheduler_info.clas = "simso.schedulers.P_EDF"
    with redirect_stdout(io.StringIO()):
        configuration.check_all()
        model = core_of_simso.Model(configuration)
        took = seconds(model.run_model)
    return JOBS // 8, took


def print_jobs(kb: KnowledgeBase) -> None:
    rows: dict[str, list[float]] = {"Rbed alone, a heap of 16 cores": [], "whole kernel": [], "SimSo 0.8, P-EDF": []}
    for _ in range(RUNS):
        start = time.perf_counter()
        jobs = bare_rbed()
        rows["Rbed alone, a heap of 16 cores"].append(jobs / (time.perf_counter() - start))
        kernel = whole_kernel(kb)
        before = hard_jobs(kernel)
        took = seconds(partial(kernel.run, SIMULATED_MS * PS_PER_MS))
        rows["whole kernel"].append((hard_jobs(kernel) - before) / took)
        if (peer := simso()) is not None:
            rows["SimSo 0.8, P-EDF"].append(peer[0] / peer[1])
    print(f"\nperiodic jobs, {CORES} cores, 4 tasks each, U = 0.75, {SIMULATED_MS} ms (SimSo: an eighth of them)")
    print(f"{'simulator':34}{'jobs/s':>12}{'x SimSo':>10}")
    peers = rows["SimSo 0.8, P-EDF"]
    for name, rates in rows.items():
        if rates:
            ratio = f"{statistics.median(rates) / statistics.median(peers):10.0f}" if peers else ""
            print(f"{name:34}{statistics.median(rates):12,.0f}{ratio}")
    if not peers:
        print("SimSo is not installed: pip install --target DIR simso, then PYTHONPATH=DIR")


# -- system calls ----------------------------------------------------------------------------------


def print_calls(kb: KnowledgeBase) -> None:
    """Wall time of a null system call of a dispatcher that has its core for itself."""
    calls: list[float] = []
    heap: list[float] = []
    done = 0
    for _ in range(RUNS):
        kernel = Multikernel.boot(kb)
        kernel.spawn("invoker", 1)
        kernel.run(PS_PER_S // 1000)
        driver = max(kernel.drivers.values(), key=lambda each: each.account.kernel)
        before = driver.account.kernel
        took = seconds(partial(kernel.run, PS_PER_S // 100))
        done = (driver.account.kernel - before) // kernel.hardware.cost_ps("system_call", driver.core.number)
        calls.append(took / done)
        pairs = [(n, n) for n in range(64)]
        start = time.perf_counter()
        for n in range(done):
            heapq.heapreplace(pairs, (pairs[0][0] + 64, n))
        heap.append((time.perf_counter() - start) / done)
    print(f"\n{done} null system calls in the whole kernel, median of {RUNS}")
    print(f"{'a system call':34}{statistics.median(calls) * 1e6:9.2f} us")
    print(f"{'a heapreplace, 64 events':34}{statistics.median(heap) * 1e6:9.2f} us")
    print(f"{'ratio':34}{statistics.median(c / h for c, h in zip(calls, heap, strict=True)):9.1f}")


# -- memory ----------------------------------------------------------------------------------------


def resident_bytes() -> int:
    """The resident set of this process (proc(5), statm: pages)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def create(kernel: Multikernel, count: int) -> list[Dispatcher]:
    """So many dispatchers of one thread each, best effort, in turn on every core; no time goes by."""
    domain = kernel.spawn("cpu_bound", 1)
    made = []
    for number in range(count):
        driver = kernel.drivers[number % CORES]
        dispatcher = Dispatcher(domain, number, driver, kernel.next_task_id())
        dispatcher.start(_idle())
        driver.add(dispatcher, BestEffort())
        made.append(dispatcher)
    return made


def _idle() -> Code:
    yield Invoke(_nothing)


def print_memory(kb: KnowledgeBase) -> None:
    """Memory of a dispatcher and its thread, in the resident set and as Python counts it."""
    kernel = Multikernel.boot(kb)
    kernel.spawn("cpu_bound", 1)
    gc.collect()
    before = resident_bytes()
    made = create(kernel, DISPATCHERS)
    resident = (resident_bytes() - before) / len(made)
    kernel = Multikernel.boot(kb)
    gc.collect()
    tracemalloc.start()
    made = create(kernel, DISPATCHERS)
    gc.collect()
    python, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory of a dispatcher with its thread, {DISPATCHERS} on {CORES} cores")
    print(f"{'resident set':34}{resident:9.0f} bytes")
    print(f"{'Python objects (tracemalloc)':34}{python / len(made):9.0f} bytes")


def main() -> None:
    kb = KnowledgeBase(Engine.start())
    machine.load(kb, machine.find("amd-4x4"))
    print_memory(kb)  # first, while nothing that was freed can be used again
    print_jobs(kb)
    print_calls(kb)


if __name__ == "__main__":
    main()
