"""Commands on placement: policies, and why a domain is where it is."""

from __future__ import annotations

import re
from dataclasses import asdict

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.domain import Domain
from kernel.schedulers import kinds
from shell import pictures
from shell.commands import arguments, domains
from shell.commands.knowledge import shown
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session, read_text
from skb import machine as machines
from skb.knowledge import Origins, Proof
from skb.placement import Reason


@command("policy list", group="placement", summary="the placement policies", example="policy list")
def policy_list(session: Session) -> Result:
    controller = session.kernel.controller
    found = controller.policies()
    rows = [(each.name, "in use" if each.name == controller.policy else "", each.description) for each in found]
    data = [{"name": name, "in_use": bool(used), "description": text} for name, used, text in rows]
    return Result(data, Table(("policy", "", "what it does"), rows))


@command("policy use", group="placement", summary="let that policy decide from now on", example="policy use near")
@click.argument("name", metavar="POLICY")
def policy_use(session: Session, name: str) -> Result:
    fixed = kinds.find(session.scheduler).policy
    if fixed is not None and name != fixed:
        raise ShellError(f"{session.scheduler} places by policy {fixed} alone; scheduler use chooses another")
    session.kernel.controller.use(name)
    session.policy = name
    return Result({"policy": name}, f"{name} decides from now on")


@command("policy load", group="placement", summary="load a policy of your own, checked and sandboxed",
         example="policy load near.pl")
@click.argument("file")
def policy_load(session: Session, file: str) -> Result:
    """It is known by the name in its first line from then on, and decides after `policy use NAME`. If there is an
    error in it, all of them are listed and nothing changes.
    """
    name, warnings = session.kernel.controller.load(session.file(file))
    return Result({"policy": name, "warnings": list(warnings)}, f"policy use {name} lets it decide",
                  "\n".join(warnings))


@command("policy show", group="placement", summary="the rules of a policy", example="policy show near")
@click.argument("name", metavar="POLICY")
def policy_show(session: Session, name: str) -> Result:
    path = session.kernel.controller.file(name)
    text = read_text(path)
    return Result({"policy": name, "file": str(path), "text": text}, text)


@command("policy check", group="placement", summary="what a policy would do with some requests on each machine",
         example="policy check near")
@click.argument("name", metavar="POLICY|FILE")
def policy_check(session: Session, name: str) -> Result:
    """A FILE is loaded first, as `policy load` does. Each request is alone on a machine where nothing else runs."""
    controller = session.kernel.controller
    if name not in {policy.name for policy in controller.policies()} and (name.endswith(".pl") or "/" in name):
        name, warnings = controller.load(session.file(name))
    else:
        warnings = ()
        controller.file(name)
    rows, data = [], []
    for info in machines.list_machines():
        for trial in controller.trial(name, machines.read(info.path)):
            outcome = trial.refused or arguments.ranges(trial.cores)
            rows.append((info.name, trial.request, outcome, "" if trial.refused else f"{trial.cost:g}"))
            data.append({"machine": info.name, "request": trial.request, "cores": list(trial.cores),
                         "cost": None if trial.refused else trial.cost, "refused": trial.refused or None})
    return Result(data, Table(("machine", "request", "cores", "cost"), rows, frozenset(("cost",))),
                  "\n".join(warnings))


@command(
    "place", group="placement", passes_on=True,
    summary="spawn a program, or with --dry-run tell what would be decided and change nothing",
    example="place --dry-run -n 4 barrier",
)
@click.option("--dry-run", "dry", is_flag=True, help="tell what would be decided; nothing changes")
@click.option("-n", "dispatchers", type=int, metavar="N",
              help="how many dispatchers; one for each of CORES if not said otherwise, else one")
@click.option("-c", "cores", metavar="CORES", help="where they are to run, such as 0-3,8; else the policy decides")
@click.option("-m", "manifest", metavar="MANIFEST", help="a file that says what they need, a phase a line")
@click.argument("program")
@click.argument("argument", metavar="ARG", nargs=-1)
def place(
    session: Session, dry: bool, dispatchers: int | None, cores: str | None, manifest: str | None, program: str,
    argument: tuple[str, ...],
) -> Result:
    """Without --dry-run it is `spawn`. What is told are the cores, what each dispatcher would get in each phase, and
    which running domains would get something else than they have.
    """
    if not dry:
        return domains.spawn(session, dispatchers, cores, manifest, None, program, argument)
    image = domains.image(program, session)
    image.check(argument)
    pinned = arguments.cores(cores, session) if cores else ()
    kernel = session.kernel
    found = kernel.controller.would_place(
        max((each.id for each in kernel.domains()), default=0) + 1,
        max(1, len(pinned)) if dispatchers is None else dispatchers,
        cores=pinned, manifest=read_text(session.file(manifest)) if manifest else None,
        manifest_name=manifest or "manifest", coordinator=kernel.first_core, built_for=image.built_for,
    )
    names = {each.id: each.name for each in kernel.domains()}
    rows = [(image.name, str(a.dispatcher), str(a.core), str(phase), domains.parameters_text(parameters))
            for a in found.assignments for phase, parameters in enumerate(a.phases)]
    rows += [(names.get(domain, str(domain)), str(dispatcher), str(core), str(phase), domains.parameters_text(each))
             for domain, dispatcher, core, phases in found.changed for phase, each in enumerate(phases)]
    data = {
        "program": image.name, "policy": found.policy, "cost": found.cost, "inferences": found.inferences,
        "dispatchers": [{"dispatcher": a.dispatcher, "core": a.core,
                         "phases": [domains.parameters_data(each) for each in a.phases]} for a in found.assignments],
        "changed": [{"id": domain, "name": names.get(domain), "dispatcher": dispatcher, "core": core,
                     "phases": [domains.parameters_data(each) for each in phases]}
                    for domain, dispatcher, core, phases in found.changed],
        **({"warning": found.warning} if found.warning else {}),
    }
    changed = list(dict.fromkeys(names.get(domain, str(domain)) for domain, *_ in found.changed))
    line = f"{found.policy}: cost {found.cost:g}; " + (
        f"{', '.join(changed)} would change" if changed else "nobody else would change")
    columns = ("program", "dispatcher", "core", "phase", "parameters")
    return Result(data, [Table(columns, rows, frozenset(("dispatcher", "core", "phase"))), line], found.warning)


@command("rebalance", group="placement", summary="move who is better off on another core by more than the move costs",
         example="rebalance")
@click.option("--when", type=click.Choice(["changed", "asked"]), metavar="WHEN",
              help="from now on: by itself when something has changed, or when asked only (as at boot)")
def rebalance(session: Session, when: str | None) -> Result:
    """Domains end, cores come back: what was placed well may not be so any more. The policy in use ranks the cores
    for each best-effort dispatcher that is not pinned, all others being where they are. The difference, as a share of
    a core over the cost `replacement_horizon`, is the gain; what a move takes is known from its mechanism. With
    `--when changed` the same is done by itself from now on: when a domain has ended, a core come back, or a program
    presented a manifest, joined a group or left it.
    """
    kernel = session.kernel
    if when is not None:
        kernel.replaces = when == "changed"
    found = kernel.replace()
    rows, data = [], []
    for each in found:
        name, gain, cost = kernel.name_of(each.move.domain), each.gain_ns, each.cost_ns
        rows.append((name, str(each.move.dispatcher), str(each.before), str(each.move.core),
                     format_duration(gain * PS_PER_NS), format_duration(cost * PS_PER_NS)))
        data.append({"domain": name, "dispatcher": each.move.dispatcher, "from": each.before, "to": each.move.core,
                     "gain_ns": gain, "cost_ns": cost})
    columns = ("domain", "dispatcher", "from", "to", "gain", "cost")
    if not rows:
        return Result(data, "everybody is where the policy would have them, or as well off")
    return Result(data, Table(columns, rows, frozenset(columns) - {"domain"}))


@command("explain", group="placement", summary="why a domain's dispatchers are where they are, or why a goal holds",
         example="explain distance(0, 12, D)", raw="DOMAIN|GOAL")
@click.option("--limit", type=click.IntRange(min=1), default=1, metavar="N",
              help="how many of the ways in which GOAL holds to show at most; 1 if not said otherwise")
def explain(session: Session, limit: int, text: str) -> Result:
    """A goal is shown with what it follows from, step by step, down to facts and who says so: the dump that was read,
    the measurement, or file:line of a rule of your own.
    """
    if not text:
        raise ShellError("which domain, or which goal? such as: explain distance(0, 12, D)")
    if re.fullmatch(r"[\w.-]+", text) and not _is_goal(text, session):
        return _placed(arguments.domain(text, session), session)
    found = session.kb.explain(text, limit=limit)
    origins = session.kb.origins()
    data = [_proof_data(each, origins) for each in found]
    shown_proofs = "\n".join(pictures.tree(_proof_tree(each, origins)) for each in found)
    return Result(data, shown_proofs if found else "false.")


def _is_goal(name: str, session: Session) -> bool:
    """Whether a single word is a predicate without arguments rather than a domain."""
    return session.kb.once("current_predicate(skb:Name/0)", {"Name": name}) is not None


def _proof_tree(proof: Proof, origins: Origins) -> pictures.Branch:
    """What is shown of a step: the goal, and who says so."""
    goal = shown(proof.goal)
    line = {"none": f"no {goal}", "all": f"all {goal}"}.get(proof.kind, goal)
    return pictures.Branch(line, _said_by(proof, origins), [_proof_tree(each, origins) for each in proof.proofs])


def _said_by(proof: Proof, origins: Origins) -> str:
    """`acpi: SLIT, in acpi.txt`; a rule's file:line; a default cost's source."""
    table, files = origins.of(proof)
    where = ", in ".join(part for part in (table, " or ".join(files)) if part)
    return f"{proof.source}: {where}" if where else proof.source


def _proof_data(proof: Proof, origins: Origins) -> dict[str, object]:
    table, files = origins.of(proof)
    return {"kind": proof.kind, "goal": shown(proof.goal), "source": proof.source, "table": table or None,
            "files": list(files), "proofs": [_proof_data(each, origins) for each in proof.proofs]}


def _placed(found: Domain, session: Session) -> Result:
    reasons = session.kernel.controller.explain(found.id)
    rows = [
        (str(r.dispatcher), str(r.core), r.policy, f"{r.cost:g}",
         ", ".join(f"core {core}: {cost:g}" for core, cost in r.alternatives), _excluded(r))
        for r in reasons
    ]
    columns = ("dispatcher", "core", "policy", "cost", "next best, and their cost", "left out")
    return Result([asdict(r) for r in reasons], Table(columns, rows, frozenset(("dispatcher", "core", "cost"))))


def _excluded(reason: Reason) -> str:
    """How many cores were out of the question, and why."""
    counts = (
        (reason.same_gang, "with another member of the gang"),
        (reason.without_room, "without room"),
        (reason.forbidden, "forbidden by the policy"),
    )
    return ", ".join(f"{count} {why}" for count, why in counts if count)
