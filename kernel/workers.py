"""Running points of an experiment, each in a process that has a knowledge base of its own.

A process has one Prolog engine, and the session's holds the machine that the user has booted. So what an experiment
boots, it boots elsewhere: in workers, which start Prolog themselves. Points are worked off in their order by as many
workers as there are processors; the results are the same with one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from kernel.errors import KernelError
from skb import machine
from skb.engine import SkbError
from skb.knowledge import KnowledgeBase

P = TypeVar("P")
R = TypeVar("R")

_bases: list[KnowledgeBase] = []  # this worker's own, once it has one


def _leave_interrupts_alone() -> None:
    """Ctrl-C reaches all processes of the terminal; it is for the one that the user talks to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def machine_loaded(name: str) -> KnowledgeBase:
    """This worker's knowledge base, holding that machine and nothing else."""
    if not _bases:
        _bases.append(KnowledgeBase())
    machine.load(_bases[0], machine.find(name))
    return _bases[0]


def run_points(
    run: Callable[[P], R], points: Sequence[P], progress: Callable[[int, int], None] = lambda done, total: None
) -> list[R]:
    """What `run`, a function of a module, makes of each point. KernelError where one cannot be run, or a worker died.

    Ctrl-C ends it; points that a worker has begun are finished first.
    """
    workers = min(len(points), len(os.sched_getaffinity(0)))
    context = multiprocessing.get_context("spawn")
    results = []
    with ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_leave_interrupts_alone) as pool:
        try:
            for done, result in enumerate(pool.map(run, points), start=1):
                results.append(result)
                progress(done, len(points))
        except SkbError as error:
            raise KernelError(str(error)) from None
        except BrokenProcessPool:
            raise KernelError("a worker process died, for lack of memory perhaps; fewer cores need less") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results
