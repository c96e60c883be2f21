"""A job (skb/taking_home.py) as a drop-in of a systemd service: systemd.exec(5), systemd.resource-control(5).

A manifest's B weight becomes CPUWeight, S a CPUQuota, H a real-time policy with a priority by period (rate monotonic,
Liu and Layland 1973). What is a guarantee in Pilotfish is a bound or an order in Linux; the text says so.
"""

from __future__ import annotations

import re

from skb.placement import BestEffort, Hard, Soft
from skb.taking_home import ExportError, Job, Setting, commented, head, ms, ranges, unsaid

_WEIGHT, _MOST_WEIGHT = 100, 10_000
"""CPUWeight of a service of which nothing is said, and the largest there is (systemd.resource-control(5))."""

_QUOTA_PERIODS_NS = (1_000_000, 1_000_000_000)
"""What CPUQuotaPeriodSec may be, 1 ms to 1 s; others are brought into it by systemd (systemd.resource-control(5))."""

_MOST_PRIORITY = 99


def systemd(job: Job) -> Setting:
    """A drop-in: all threads of the service on the job's CPUs."""
    unit = re.sub(r"[^A-Za-z0-9_.-]", "-", job.name)
    notes, settings = _parameters(job)
    if len(job.cpu_set) > 1:
        notes.insert(0, "not said: which thread is on which of the CPUs; the kernel moves them among these")
    cpus, nodes = ranges(job.cpu_set, " "), ranges(job.nodes, " ")
    fields: dict[str, object] = {"CPUAffinity": cpus}
    if nodes:
        fields |= {"NUMAPolicy": "bind", "NUMAMask": nodes}
    else:
        notes.append("not said: where memory comes from; the machine tells of none")
    fields |= settings
    lines = [
        *head(job), f"save as /etc/systemd/system/{unit}.service.d/placement.conf, then systemctl daemon-reload",
        f"AllowedCPUs={cpus} in place of CPUAffinity keeps the program from leaving them",
    ]
    text = [*commented([*lines, *notes]), "[Service]", *(f"{name}={value}" for name, value in fields.items())]
    if not job.placeholder:
        fields["ExecStart"] = _exec(job.command)
        text += ["ExecStart=", f"ExecStart={fields['ExecStart']}"]  # the first takes back the unit's own
    return Setting("\n".join(text) + "\n", fields, tuple(notes))


def _parameters(job: Job) -> tuple[list[str], dict[str, object]]:
    """What is to be said of the parameters that cannot be set, and the settings."""
    notes = unsaid(job, weight=True)
    hard = [each for each in job.parameters if isinstance(each, Hard)]
    soft = [each for each in job.parameters if isinstance(each, Soft)]
    if hard:
        others = len(job.parameters) - len(hard)
        if others:
            notes.append(f"not said: that {others} of its dispatchers are not hard real time; a service is all of it")
        notes.append("a real-time policy puts it before all best effort, and has no end to what it may take")
        return notes, {"CPUSchedulingPolicy": "fifo", "CPUSchedulingPriority": min(job.priority, _MOST_PRIORITY)}
    settings: dict[str, object] = {}
    weights = [each.weight for each in job.parameters if isinstance(each, BestEffort)]
    if weights:
        settings["CPUWeight"] = min(_WEIGHT * max(weights), _MOST_WEIGHT)
        if len(set(weights)) > 1:
            notes.append("not said: weights of single dispatchers; the largest stands for all")
        if _WEIGHT * max(weights) > _MOST_WEIGHT:
            notes.append(f"not said: weight {max(weights)}; {_MOST_WEIGHT // _WEIGHT} is the largest")
    if soft and not weights:
        share = sum(each.wcet_ns / each.period_ns for each in soft)
        least, most = _QUOTA_PERIODS_NS
        settings["CPUQuota"] = f"{max(1, round(100 * share))}%"
        settings["CPUQuotaPeriodSec"] = f"{min(max(min(each.period_ns for each in soft), least), most) // 1000}us"
        one = soft[0]
        notes.append(f"CPUQuota holds it to {ms(one.wcet_ns)} every {ms(one.period_ns)} for each dispatcher, all "
                     f"together, and guarantees none of it")
    elif soft:
        notes.append("not said: soft real time of some dispatchers beside best effort of others")
    return notes, settings


def _exec(command: tuple[str, ...]) -> str:
    """A command as ExecStart takes it: an absolute path, words in quotes, % and $ doubled (systemd.service(5))."""
    program = command[0]
    if "/" in program and not program.startswith("/"):
        raise ExportError(f"systemd starts programs by their absolute path, not '{program}'")
    return " ".join(_word(word) for word in command)


def _word(word: str) -> str:
    plain = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"').replace("\n", "\\n")
    return plain if re.fullmatch(r"[\w@%+=:,./-]+", plain) else f'"{plain}"'
