"""`machine check`: what contradicts what in a machine, what does not fit, and what hwloc sees otherwise."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

import shell.commands.machines  # noqa: F401 - the commands that most people want come first in the family
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import checking
from skb.comparing import Comparison, Difference, Row
from skb.machine import decompressed, reason

_SHOWN = 5  # of one rule, of one predicate, of one kind


@command("machine check", group="machine", summary="what in a machine's sources does not fit together",
         example="machine check amd-4x4")
@click.argument("machine", metavar="MACHINE", required=False)
@click.option("--against", "reference", metavar="FILE", help="compare it with hwloc's XML (lstopo FILE.xml) instead")
@click.option("--all", "everything", is_flag=True, help="list everything, not the first few of each kind")
def machine_check(session: Session, machine: str | None, reference: str | None, everything: bool) -> Result:
    """MACHINE is a machine's name or folder, or a file or folder of dumps that `machine import` reads; without it the
    one that is booted is checked, with what was asserted since. Of two sources that contradict each other the first
    is believed: user, a_priori, measured, cpuid, sysfs, pci, hwloc, acpi. A finding is an error (it cannot be so), a
    warning (it is unlikely to be so, or rules lack something) or a note. `expect \\+ finding(error, _, _)` and
    `expect \\+ contradiction(_, _, _, _)` stop a batch where the booted machine has any.
    """
    most = None if everything else _SHOWN
    if machine is None:
        sources = checking.Sources(session.machine_name)
    else:
        sources = checking.sources_of(_path(machine, session))
    if reference is None:
        return _checked(checking.check(session.kb, sources), most)
    path = _path(reference, session)
    return _compared(checking.against(session.kb, sources, _bytes(path), path), sources.name, path, most)


def _checked(check: checking.Check, most: int | None) -> Result:
    show: list[Table | str] = []
    if check.contradictions:
        columns = ("believed", "source", "overruled", "source")
        groups = checking.by_predicate(check.contradictions)
        rows = [(one.fact, one.source, one.overruled, one.other_source) for group in groups for one in group[:most]]
        show.append(Table(columns, rows))
        show += [
            f"{len(group) - most} more of {group[0].fact.partition('(')[0]}, {group[0].source} and "
            f"{group[0].other_source}"
            for group in groups if most is not None and len(group) > most
        ]  # fmt: skip
    if check.findings:
        shown: Counter[str] = Counter()
        found, more = [], Counter[str]()
        for finding in check.findings:
            shown[finding.rule] += 1
            if most is not None and shown[finding.rule] > most:
                more[finding.rule] += 1
            else:
                found.append((finding.severity, finding.rule, finding.text))
        show.append(Table(("severity", "rule", "what does not fit"), found))
        show += [f"{count} more of {rule}" for rule, count in more.items()]
    counts = {severity: check.count(severity) for severity in checking.SEVERITIES}
    facts = ", ".join(f"{source} {count}" for source, count in check.sources.items())
    show.append(f"{check.name}: {_count(check.cores, 'core')}; facts: {facts or 'none'}")
    what = [_count(len(check.contradictions), "contradiction")]
    what += [_count(count, severity) for severity, count in counts.items()]
    show.append(", ".join(what))
    data = {
        "name": check.name, "cores": check.cores, "sources": dict(check.sources),
        "contradictions": [asdict(each) for each in check.contradictions],
        "findings": [asdict(each) for each in check.findings],
        "counts": {"contradictions": len(check.contradictions),
                   **{f"{severity}s": count for severity, count in counts.items()}},
    }  # fmt: skip
    return Result(data, show)


def _compared(comparison: Comparison, name: str, path: str, most: int | None) -> Result:
    rows = [
        (row.kind, str(row.machine) if row.told else "not told", str(row.reference) if row.stated else "not stated",
         _verdict(row))
        for row in comparison.rows if row.machine or row.reference
    ]  # fmt: skip
    columns = ("what", "machine", "reference", "equal")
    show: list[Table | str] = [Table(columns, rows, frozenset(("machine", "reference")))]
    for row in comparison.rows:
        show += [_line(each) for each in row.different[:most]]
        if most is not None and len(row.different) > most:
            show.append(f"{len(row.different) - most} more of {row.kind}")
        if row.left_out:
            first = ", ".join(each.what.split()[-1] for each in row.left_out[:most])
            dots = ", ..." if most is not None and len(row.left_out) > most else ""
            show.append(f"{row.kind} that the reference does not state: {first}{dots}")
    show += [*comparison.remarks]
    compared = sum(row.reference for row in comparison.rows if row.told)
    count = comparison.differences
    show.append(
        f"{count} difference{'' if count == 1 else 's'}" if count
        else f"equal in all {compared} objects that both state" if compared else "nothing that both state"
    )
    data = {
        "name": name, "against": path, "equal": not count, "differences": count,
        "kinds": [
            {"what": row.kind, "machine": row.machine if row.told else None,
             "reference": row.reference if row.stated else None, "equal": row.equal,
             "different": [asdict(each) for each in row.different],
             "not_stated": [asdict(each) for each in row.left_out]}
            for row in comparison.rows
        ],
        "remarks": list(comparison.remarks),
    }  # fmt: skip
    return Result(data, show)


def _verdict(row: Row) -> str:
    if not row.told or not row.stated:
        return ""
    if row.different:
        return f"{len(row.different)} differ"
    return f"yes, {len(row.left_out)} more" if row.left_out else "yes"


def _line(each: Difference) -> str:
    if each.reference is None:
        return f"{each.what}: {each.machine or 'there'}, not in the reference"
    if each.machine is None:
        return f"{each.what}: not in the machine, {each.reference} in the reference"
    return f"{each.what}: {each.machine}, {each.reference} in the reference"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _path(text: str, session: Session) -> str:
    """The name as it stands, or the path beside the batch file that it names."""
    beside = session.places[-1].folder if session.places else None
    if beside is not None and text and not os.path.exists(os.path.expanduser(text)) and os.path.exists(beside / text):
        return str(beside / text)
    return text


def _bytes(path: str) -> bytes:
    where = Path(os.path.expanduser(path))
    if not path or where.is_dir():
        raise ShellError(f"'{path}' is a folder" if path else "an empty FILE; lstopo FILE.xml makes one")
    try:
        return decompressed(where.read_bytes(), path)
    except FileNotFoundError:
        raise ShellError(f"no file '{path}'; lstopo {path} makes one") from None
    except OSError as error:
        raise ShellError(f"'{path}' cannot be read: {reason(error)}") from None
