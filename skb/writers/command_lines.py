"""A job (skb/taking_home.py) as a line for a shell: `taskset`, `numactl`, and OpenMP's environment.

Formats: taskset(1) of util-linux, numactl(8), OpenMP 5.2 chapter 21 (OMP_PLACES, OMP_PROC_BIND). Each text is a
script that `sh` runs.
"""

from __future__ import annotations

import shlex

from skb.taking_home import Job, Setting, commented, head, ranges, unsaid


def taskset(job: Job) -> Setting:
    """One set of CPUs for all threads; how to give each its own is told beside."""
    notes = unsaid(job)
    lines = head(job)
    if len(job.cpu_set) > 1:
        notes.insert(0, "not said: which thread is on which of the CPUs; the kernel moves them among these")
        lines += [
            "a CPU for each thread, in the order of dispatchers, once all have started as process PID:",
            f"  set -- $(ls /proc/PID/task | sort -n); for cpu in {' '.join(map(str, job.cpus))}; do "
            f"taskset -p -c $cpu $1; shift; done",
        ]
    notes.append("not said: where memory comes from (numactl says it)")
    cpus = ranges(job.cpu_set)
    text = [*commented([*lines, *notes]), f"taskset -c {cpus} {shlex.join(job.command)}"]
    fields: dict[str, object] = {"cpu_list": cpus, "command": list(job.command)}
    return Setting("\n".join(text) + "\n", fields, tuple(notes))


def numactl(job: Job) -> Setting:
    """One set of CPUs, and memory from the nodes closest to them: each page from the nearest of these to who first
    touches it.
    """
    notes = unsaid(job)
    lines = head(job)
    cpus, nodes = ranges(job.cpu_set), ranges(job.nodes)
    if len(job.cpu_set) > 1:
        notes.insert(0, "not said: which thread is on which of the CPUs (OMP_PLACES or taskset -p says it)")
    if len(job.nodes) > 1:
        lines.append(f"where all threads use the same memory, --interleave={nodes} in place of --membind")
    if not nodes:
        notes.append("not said: where memory comes from; the machine tells of none")
    words = ["numactl", f"--physcpubind={cpus}", *([f"--membind={nodes}"] if nodes else []), shlex.join(job.command)]
    fields: dict[str, object] = {
        "physcpubind": cpus, "membind": nodes or None, "command": list(job.command),
    }
    return Setting("\n".join([*commented([*lines, *notes]), " ".join(words)]) + "\n", fields, tuple(notes))


def omp_environment(job: Job) -> dict[str, str]:
    """OpenMP's variables: a place for each dispatcher, in their order.

    `close` binds thread i to place i where there are as many places as threads; with `true` an implementation may
    choose another order.
    """
    return {
        "OMP_NUM_THREADS": str(len(job.cpus)), "OMP_DYNAMIC": "false",
        "OMP_PLACES": ",".join(f"{{{cpu}}}" for cpu in job.cpus), "OMP_PROC_BIND": "close",
    }


def omp(job: Job) -> Setting:
    """Thread i of every parallel region on the CPU of dispatcher i."""
    notes = [*unsaid(job), "not said: where memory comes from; a page is near the thread that touches it first"]
    variables = omp_environment(job)
    lines = [
        *head(job),
        f"before OpenMP 4.0, with GCC: GOMP_CPU_AFFINITY=\"{' '.join(map(str, job.cpus))}\" in place of OMP_PLACES",
    ]
    text = [*commented([*lines, *notes]), *(f"export {name}={_quoted(value)}" for name, value in variables.items())]
    if not job.placeholder:
        text.append(shlex.join(job.command))
    fields: dict[str, object] = {
        **variables, **({} if job.placeholder else {"command": list(job.command)})
    }
    return Setting("\n".join(text) + "\n", fields, tuple(notes))


def _quoted(value: str) -> str:
    return value if value.isalnum() else f'"{value}"'
