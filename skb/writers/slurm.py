"""A job (skb/taking_home.py) as a batch script for Slurm: sbatch(1), srun(1).

A dispatcher is a task (a rank of MPI); how one task of many threads is bound is told beside.
"""

from __future__ import annotations

import re
import shlex

from skb.taking_home import Job, Setting, commented, head, unsaid


def slurm(job: Job) -> Setting:
    """Task i on the CPU of dispatcher i, with memory from the node closest to it."""
    tasks = len(job.cpus)
    mask = hex(sum(1 << cpu for cpu in job.cpu_set))
    command = shlex.join(job.command)
    memory_mask = f" --mem-bind=mask_mem:{hex(sum(1 << node for node in job.nodes))}" if job.memory else ""
    notes = unsaid(job)
    if not job.memory:
        notes.append("not said: where memory comes from; the machine tells of none")
    lines = [
        *head(job),
        "it counts in Linux's CPUs, which Slurm takes where a job has the node to itself and TaskPlugin is "
        "task/affinity",
        "one process of as many threads, in place of the last line:",
        f"  srun --ntasks=1 --cpus-per-task={len(job.cpu_set)} --cpu-bind=mask_cpu:{mask}{memory_mask} {command}",
    ]
    options: dict[str, object] = {
        "job-name": re.sub(r"[^A-Za-z0-9_.-]", "-", job.name), "nodes": 1, "exclusive": True, "ntasks": tasks,
    }
    if tasks > len(job.cpu_set):
        options["overcommit"] = True
    step: dict[str, object] = {
        "ntasks": tasks, "distribution": "block", "cpu-bind": f"map_cpu:{','.join(map(str, job.cpus))}",
    }
    if tasks > len(job.cpu_set):
        step["overcommit"] = True
    if job.memory:
        step["mem-bind"] = f"map_mem:{','.join(map(str, job.memory))}"
    text = [
        "#!/bin/sh", *(f"#SBATCH {option}" for option in _options(options)), *commented([*lines, *notes]),
        f"srun {' '.join(_options(step))} {command}",
    ]
    fields: dict[str, object] = {"sbatch": options, "srun": step, "command": list(job.command)}
    return Setting("\n".join(text) + "\n", fields, tuple(notes))


def _options(options: dict[str, object]) -> list[str]:
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
