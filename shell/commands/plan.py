"""`plan`: who runs where and when, in each combination of phases, and how fast the phases can change."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.domain import Domain
from shell.commands import arguments
from shell.commands.domains import parameters_data, parameters_text
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb.placement import Combination, Hard, Parameters, Schedule


@command("plan", group="placement", summary="who runs where and when, in each combination of phases",
         example="plan barrier --all")
@click.argument("domain", required=False)
@click.option("--all", "every", is_flag=True, help="every combination of phases, not only the present one")
def plan(session: Session, domain: str | None, every: bool) -> Result:
    """Domains that have hard real time on a common core are planned together. Each combination of their phases is a
    schedule, derived by the SKB; one that is marked `now` is in force. Below the table stand, for each domain with
    phases, the way its planners are told of a change, and from when on that holds at the latest.
    """
    kernel = session.kernel
    running = [kernel.find(str(each.id)) for each in kernel.domains()]
    found = [arguments.domain(domain, session)] if domain else running
    domains = [each for each in found if each.alive]
    rows, data, notes = [], [], []
    seen: set[Combination] = set()
    for each in domains:
        for schedule in _schedules(session, each, every):
            if schedule.combination in seen:
                continue
            seen.add(schedule.combination)
            now = all(kernel.find(str(number)).phase == phase for number, phase in schedule.combination)
            name = ", ".join(f"{kernel.name_of(number)} {phase}" for number, phase in schedule.combination)
            for number, dispatchers, cores, parameters in _alike(schedule):
                rows.append((name, "now" if now else "", kernel.name_of(number), arguments.ranges(dispatchers),
                             arguments.ranges(cores), parameters_text(parameters)))
            data.append(_schedule_data(session, schedule, now))
    for each in domains:
        if each.has_phases:
            notes.append(_changes(session, each))
    columns = ("phases", "", "domain", "dispatchers", "cores", "parameters")
    show: list[Table | str] = [Table(columns, rows, frozenset()), *(text for _, text in notes)]
    return Result({"schedules": data, "changes": [note for note, _ in notes]}, show)


def _schedules(session: Session, domain: Domain, every: bool) -> list[Schedule]:
    controller = session.kernel.controller
    combinations, _ = controller.combinations(domain.id)
    return [controller.schedule(each) for each in (combinations if every else combinations[:1])]


def _alike(schedule: Schedule) -> list[tuple[int, tuple[int, ...], tuple[int, ...], Parameters]]:
    """The slots of a domain with the same parameters, together: their dispatchers and cores."""
    found: dict[tuple[int, Parameters], list[tuple[int, int]]] = {}
    for slot in schedule.slots:
        found.setdefault((slot.domain, slot.parameters), []).append((slot.dispatcher, slot.core))
    return [
        (number, tuple(one for one, _ in places), tuple(core for _, core in places), parameters)
        for (number, parameters), places in found.items()
    ]


def _schedule_data(session: Session, schedule: Schedule, now: bool) -> dict[str, object]:
    return {
        "phases": {session.kernel.name_of(number): phase for number, phase in schedule.combination},
        "now": now, "scope": schedule.scope, "how": schedule.how, "empty_slots": schedule.empty_slots,
        "fewest_empty_slots": schedule.bound,
        "slots": [
            {"domain": session.kernel.name_of(slot.domain), "dispatcher": slot.dispatcher, "core": slot.core,
             **parameters_data(slot.parameters)}
            for slot in schedule.slots
        ],
    }  # fmt: skip


def _changes(session: Session, domain: Domain) -> tuple[dict[str, object], str]:
    """How a domain's phases change, as data and as words."""
    route = session.kernel.route(domain)
    bounds = enumerate(route.allowances_ps)
    said = ", ".join(f"{format_duration(bound)} from phase {phase}" for phase, bound in bounds)
    told = "each planner by the coordinator" if route.method == "unicast" else "planners by planners, as a tree"
    data = {
        "domain": domain.name, "method": route.method, "coordinator": route.coordinator,
        "bounds_ns": [bound / PS_PER_NS for bound in route.allowances_ps],
    }  # fmt: skip
    first = [each.phases for each in domain.placement.assignments]
    early = {
        phase for phases in first for phase, each in enumerate(phases)
        if isinstance(each, Hard) and each.release_ns is not None
        and each.release_ns * PS_PER_NS < max(route.allowances_ps)
    }  # fmt: skip
    late = "".join(
        f"\n{domain.name}: the release of phase {phase} may be before all planners have acted; auto would not be"
        for phase in sorted(early)
    )
    return data, f"{domain.name}: a change tells {told} (core {route.coordinator}) and begins after {said}{late}"
