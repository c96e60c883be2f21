"""The multikernel: boots a CPU driver and a monitor on every core, and answers the shell.

The shell's requests enter where a user's would: the SKB decides a placement (on the core it runs on, for
what its inferences cost), the monitors carry it out by messages. A request returns when its answer has
come; how long that takes is simulated time like any other. Time 0 is the instant at which the core-local
timers were put in step.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from kernel.capabilities.booting import boot_capabilities
from kernel.capabilities.cspace import CSpaceEntry
from kernel.clock import PS_PER_MS, PS_PER_NS, LocalClock
from kernel.clock_sync import ClockSynchronisation
from kernel.cpu_driver import Account, CpuDriver
from kernel.dispatcher import Dispatcher
from kernel.domain import Domain, DomainState
from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.hotplug import BringCoreOnline, HotPlug, MoveDispatcher, MoveDispatchers, TakeCoreOffline
from kernel.messaging.binding import Binding
from kernel.messaging.multihop import Circuits
from kernel.messaging.notification import Notifications
from kernel.messaging.status import ChannelStatus, ServiceStatus, channel_status, service_status
from kernel.monitor import KillDomain, Monitor, SpawnDomain
from kernel.multicast import tree_of
from kernel.negotiation import Negotiation
from kernel.phase_change import ChangePhase, Distribute, Outcome, Replan, Route
from kernel.planner import Planner
from kernel.program import Program
from kernel.programs import PROGRAMS
from kernel.rbed import BestEffort
from kernel.reclaiming import Reclaiming, Request
from kernel.reference_clocks import Comparison, Method, ReferenceClock, reference_clocks
from kernel.replication.names import ReplicatedNames
from kernel.replication.replicas import Replication
from kernel.resources import Granted, JoinGroup, LeaveGroup, OfferCores, PresentManifest
from kernel.schedulers import kinds
from kernel.schedulers.kinds import Kind
from kernel.services.knowledge import SKB, Client, Decided, KnowledgeService, Managed, Managing
from kernel.spanning import Spanning, SpanRequest, SpawnSpanned
from kernel.spawn_daemon import SPAWN_DAEMON, SpawnDaemon
from kernel.status import CoreStatus as CoreStatus
from kernel.status import DomainStatus as DomainStatus
from kernel.status import core_status, domain_status
from kernel.threads import Code
from kernel.timekeeping import Timekeeping
from kernel.timeline import Priority, Timeline
from kernel.trace import ScheduleLog, Slice
from kernel.waiting import waiting
from skb.knowledge import KnowledgeBase
from skb.negotiation import Negotiator
from skb.negotiation import Outcome as Negotiated
from skb.placement import (
    Assignment,
    Combination,
    Move,
    Parameters,
    Placement,
    PlacementController,
    PlacementError,
    Replacement,
)
from skb.placement import BestEffort as PlacedBestEffort
from skb.records import Records

MONITOR = 0
"""The domain number of the monitors; a user's domains count from 1."""


class Multikernel:
    """A booted machine. `boot` makes one."""

    def __init__(
        self, kb: KnowledgeBase, controller: PlacementController, seed: int,
        scheduler: Kind = kinds.KINDS[kinds.DEFAULT],
    ) -> None:
        self.kb = kb
        self.controller = controller
        self.records = Records(kb)
        self.records.clear()
        self.hardware = Hardware(kb)
        self.first_core = min(self.hardware.cores)
        self.timeslice_ps = round(self.hardware.cost("timeslice").value * PS_PER_MS)
        self.timeline = Timeline(-self.timeslice_ps)
        self.log = ScheduleLog(self.hardware.cores)
        self._domains: dict[int, Domain] = {}
        self._task_ids = itertools.count(1)
        self._channel_numbers = itertools.count(1)
        self._answers: dict[int, Outcome] = {}
        self._routes: dict[int, Route] = {}
        self._derived: set[Combination] = set()  # whose schedules the planners have, or are about to
        self._trapped: list[Domain] = []  # since somebody last asked
        self._unlocked: list[Domain] = []  # likewise
        self.replaces = False
        """Whether who is better off elsewhere is moved by itself, when domains have ended or cores come back."""
        self._replaced: list[Replacement] = []  # since somebody last asked
        self._looking = False
        self._core_changes: dict[int, bool] = {}  # cores that have answered, and whether they are on line
        self.regime = scheduler.make(self.hardware)
        self.clocks: dict[str, ReferenceClock] = dict(reference_clocks(kb, self.hardware))
        self.timekeeping = Timekeeping(
            kb, self.hardware, self.timeline, lambda start: self._post(self.first_core, start, urgent=True),
            lambda: self.regime.phase_locks and any(domain.ganged for domain in self.running),
        )
        chance = random.Random(seed)
        drifts = {row["Core"]: row["Ppb"] for row in kb.all("facts:timer_drift(Core, Ppb)")}
        self.drivers = {
            number: CpuDriver(
                core, self.hardware, self.timeline,
                # A timer counts from its core's start, somewhere within the first timeslice.
                LocalClock(offset_ps=-chance.randrange(self.timeslice_ps), drift_ppb=drifts.get(number, 0)),
                self.regime.scheduler(number), self.log,
            )
            for number, core in self.hardware.cores.items()
        }
        if self.hardware.message_buffers:
            notifications = Notifications(kb, self.hardware, self.timeline, self.drivers)
            for number in self.hardware.message_buffers:
                self.drivers[number].notifications = notifications
        self.monitors = {number: Monitor(self, driver) for number, driver in self.drivers.items()}
        self.planners = {number: Planner(monitor) for number, monitor in self.monitors.items()}
        self.negotiator = Negotiator(controller)
        self.reclaiming = Reclaiming(
            self.negotiator, self.hardware, min(self.drivers), self._decided, self._carry_out
        )
        self._bindings: dict[int, Binding] = {}
        self._hot_plugs: dict[int, HotPlug] = {}
        for monitor in self.monitors.values():
            binding = self._bindings[monitor.core] = Binding(monitor, Circuits(monitor, self._way))
            ClockSynchronisation(monitor, self.clocks)
            self._hot_plugs[monitor.core] = HotPlug(monitor, self.planners[monitor.core], binding)
            Spanning(monitor, min(self.drivers), self._span)
            Negotiation(monitor, self.planners[monitor.core], binding, min(self.drivers), self.reclaiming)
        self.capabilities = boot_capabilities(self)
        for number, monitor in self.monitors.items():
            monitor.capabilities = self.capabilities[number]
            monitor.driver.tlb = self.capabilities[number].capabilities.tlb
        self.knowledge = KnowledgeService(
            kb, self.records, self.hardware, self.timeline, self.monitors[self.first_core]
        )
        self.knowledge.manage = self._manage
        self.system_domain(MONITOR, "monitor", {core: monitor.main for core, monitor in self.monitors.items()})
        daemons = {core: SpawnDaemon(self.hardware, monitor) for core, monitor in self.monitors.items()}
        self.system_domain(SPAWN_DAEMON, "spawnd", {core: daemon.main for core, daemon in daemons.items()})
        self.system_domain(SKB, "skb", {self.first_core: self.knowledge.main})
        self.regime.start(self)

    @classmethod
    def boot(
        cls, kb: KnowledgeBase, *, policy: str = "load_balance", seed: int = 0, scheduler: str = kinds.DEFAULT
    ) -> Multikernel:
        """Boot the machine that `kb` describes: monitors up, timers in step, the clock at 0.

        `scheduler` is how all cores are scheduled, by its name (`kernel.schedulers.kinds`).
        """
        kind = kinds.find(scheduler)
        controller = PlacementController(kb, kind.policy or policy)
        controller.clear()
        kernel = cls(kb, controller, seed, kind)
        kernel.synchronise_timers(running=False)
        kernel.timeline.run(max(kernel.now, 0))
        for driver in kernel.drivers.values():
            driver.settle(kernel.now)
            driver.account = Account()
            driver.context_switches = driver.wakeups = 0
        return kernel

    def synchronise_timers(self, method: Method | None = None, running: bool = True) -> bool:
        """Put the timers of all cores in step (§3.6.3), by the clock that the SKB says or another one.

        The result is whether that was done, or phase locking is off. Unless `running`, all cores stop for it, as at
        boot.
        """
        if method is not None and self.kb.once(f"clock_error({method}, _)") is None:
            raise KernelError(f"timers cannot be put in step by {method}: not all cores can read it; messages serve")
        rounds = self.timekeeping.rounds
        self.timekeeping.synchronise(method, running)
        self._run_until(lambda: self.timekeeping.rounds > rounds, "timer synchronisation")
        return self.phase_locked

    @property
    def phase_locked(self) -> bool:
        """Whether all cores' timers are in step, so that gangs can be scheduled without another message."""
        return self.timekeeping.in_step is not False

    # -- what the shell asks for -------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Simulated time, ps."""
        return self.timeline.now

    def run(self, duration_ps: int) -> None:
        """Let time pass. Ctrl-C raises KeyboardInterrupt with everything consistent at `now`."""
        self.timeline.run(self.now + duration_ps)

    @property
    def at_work(self) -> bool:
        """Whether a domain of the user's runs, or is about to."""
        return any(domain.alive for number, domain in self._domains.items() if number > 0)

    def run_until(self, done: Callable[[], bool], duration_ps: int) -> bool:
        """Let time pass until `done()` holds, `duration_ps` at most; whether it holds. Ctrl-C as in `run`."""
        return self.timeline.run(self.now + duration_ps, done)

    def spawn(
        self, program: str | Program, dispatchers: int = 1, *, cores: Sequence[int] = (), manifest: str | None = None,
        manifest_name: str = "manifest", name: str | None = None, arguments: Sequence[str] = (),
    ) -> Domain:
        """Spawn a program (users' own: `kernel.images`) as a domain of so many dispatchers; returns when all are up.

        `cores` pins them; `manifest` is the manifest's text. KernelError or PlacementError, and nothing
        changed, where it cannot be done.
        """
        found = self.program(program) if isinstance(program, str) else program
        found.check(arguments)
        if dispatchers < 1:
            raise KernelError(f"a domain needs at least one dispatcher, not {dispatchers}")
        number = max(self._domains, default=0) + 1
        number = max(number, 1)
        name = name or self._free_name(found.name)
        if any(domain.name == name and domain.alive for domain in self._domains.values()):
            raise KernelError(f"a domain named '{name}' runs already; give another --name")
        if name.lstrip("-").isdigit():
            raise KernelError(f"'{name}' would be taken for a domain's number; give another --name")
        try:
            placement = self._place(number, dispatchers, cores, manifest, manifest_name, found)
        except PlacementError:
            if not self._made_room(dispatchers, cores, manifest, found):
                raise
            placement = self._place(number, dispatchers, cores, manifest, manifest_name, found)
        domain = Domain(number, name, found, tuple(arguments), placement, self._ended)
        domain.pinned = bool(cores)
        self._domains[number] = domain
        self._replan(placement)
        self._decided(SpawnDomain(domain), placement.inferences + self._find_routes())
        self._derive_schedules()
        try:
            self._run_until(lambda: domain.state is not DomainState.STARTING, f"spawning {name}")
        except BaseException:
            self._abandon(domain)
            raise
        if domain.state is DomainState.TRAPPED:
            self._trapped.remove(domain)
            raise KernelError(f"{name} trapped: {domain.fault}")
        self.regime.changed()
        return domain

    def kill(self, number: int) -> None:
        """End a domain; returns when its last dispatcher is gone."""
        domain = self._running(number)
        domain.state = DomainState.KILLED
        self._post(domain.coordinator, KillDomain(domain))
        try:
            self._run_until(lambda: domain.gone, f"killing {domain.name}")
        finally:
            self._abandon(domain)

    def change_phase(self, number: int, phase: int) -> Outcome:
        """Bring a domain into another phase of its manifest; returns when it has begun.

        KernelError, and nothing changed, where a planner refused.
        """
        domain = self._running(number)
        phases = len(domain.placement.assignments[0].phases)
        if not 0 <= phase < phases:
            known = f"its phases are 0-{phases - 1}" if phases > 1 else "it has phase 0 only"
            raise KernelError(f"{domain.name} has no phase {phase}; {known}")
        self._answers.pop(number, None)
        self._post(self.route(domain).coordinator, ChangePhase(domain, phase, from_shell=True), urgent=True)
        self._run_until(
            lambda: number in self._answers or not domain.alive, f"the phase change of {domain.name}"
        )
        outcome = self._answers.pop(number, None)
        if outcome is None:
            raise KernelError(f"{domain.name} has ended: {domain.state.value}")
        if outcome.refusals:
            raise KernelError(f"{domain.name} stays in phase {domain.phase}: {outcome.refusals[0]}")
        self._run_until(lambda: domain.phase == phase or not domain.alive, f"the phase change of {domain.name}")
        return outcome

    def reclaim(self, number: int, wanted: int | Sequence[int], patience_ps: int | None = None) -> Request:
        """Ask a domain to give up so many cores, or these; returns when each is given up, or virtualised.

        It has `patience_ps` for it, else what cost `negotiation_patience` says. KernelError or PlacementError, and
        nothing changed, where it cannot be asked for them.
        """
        request = self.reclaiming.ask(self._running(number), wanted, patience_ps)
        self._run_until(lambda: request.done, f"reclaiming cores of {request.domain.name}")
        if not request.domain.alive and len(request.fates) < len(request.asked):
            raise KernelError(f"{request.domain.name} has ended: {request.domain.state.value}")
        return request

    def take_offline(self, core: int) -> list[tuple[Domain, int]]:
        """Take a core off line; returns when it has halted: the dispatchers that were moved, and to where.

        KernelError or PlacementError, and nothing changed, where somebody has to stay there.
        """
        if core == self.first_core:
            raise KernelError(f"core {core} stays on line: the SKB runs there")
        for domain in self._domains.values():
            if domain.state is DomainState.STARTING and core in domain.cores:
                raise KernelError(f"core {core} stays on line: {domain.name} is being started there")
        asked = [self.reclaiming.ask(self._domains[each], (core,)) for each in self.negotiator.spared(core)]
        self._run_until(lambda: all(request.done for request in asked), f"reclaiming core {core}")
        moves, changes, inferences = self.controller.vacate(core)
        requests = []
        for move in moves:
            domain = self._domains[move.domain]
            domain.placed(Assignment(move.dispatcher, move.core, move.phases))
            requests.append(MoveDispatcher(domain, move.dispatcher, move.core, move.phases, self.first_core))
        self._core_changes.pop(core, None)
        if changes:
            self._decided(self._changed(changes), 0)
        self._decided(TakeCoreOffline(core, tuple(requests)), inferences + self._find_routes())
        self._derive_schedules()
        driver = self.drivers[core]
        self._run_until(
            lambda: self._core_changes.get(core) is False and not driver.online, f"taking core {core} off line"
        )
        self.regime.changed()
        return [(self._domains[move.domain], move.core) for move in moves]

    def replace(self) -> list[Replacement]:
        """Move who is better off elsewhere by more than the move costs; returns when all have moved."""
        found, orders = self._replace()
        if orders:
            self._run_until(lambda: all(map(_has_moved, orders)), "moving dispatchers")
            self.regime.changed()
        return found

    def _replace(self) -> tuple[list[Replacement], list[MoveDispatcher]]:
        """Have those moved who are better off elsewhere; what is to come of it."""
        found, inferences = self.controller.replace()
        moves = []
        for each in found:
            domain, move = self._domains[each.move.domain], each.move
            domain.placed(Assignment(move.dispatcher, move.core, move.phases))
            order = MoveDispatcher(domain, move.dispatcher, move.core, move.phases, self.first_core)
            moves.append((each.before, order))
        if moves:
            self._decided(MoveDispatchers(tuple(moves)), inferences + self._find_routes())
            self._derive_schedules()
        return list(found), [order for _, order in moves]

    def _load_changed(self) -> None:
        """What runs, cores or a manifest have changed: where `replaces`, the SKB looks who is better off elsewhere.

        Not while somebody is being started or moved: then when that is over.
        """
        if self.replaces and not self._looking:
            self._looking = True
            self.timeline.at(self.now, Priority.TIMER, self.first_core, self._look_again)

    def _look_again(self, now: int) -> None:
        self._looking = False
        busy = any(domain.state is DomainState.STARTING for domain in self.running) or not all(
            dispatcher.scheduled and (there := domain.assignment(index)) is not None and dispatcher.core == there.core
            for domain in self.running for index, dispatcher in domain.dispatchers.items()
        )
        if busy:
            self._looking = True
            self.timeline.at(now + self.timeslice_ps, Priority.TIMER, self.first_core, self._look_again)
            return
        with suppress(PlacementError):  # a policy that fails leaves everybody where he is
            self._replaced += self._replace()[0]

    def take_replaced(self) -> list[Replacement]:
        """Who was moved by that since this was last asked."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def bring_online(self, core: int) -> None:
        """Bring a core back; returns when its monitor runs and its timer is in step. PlacementError if it runs."""
        self.controller.restore(core)
        # It may still be going off line, if the request for that was interrupted.
        self._run_until(lambda: not self.drivers[core].online, f"taking core {core} off line")
        self._core_changes.pop(core, None)
        self._post(self.first_core, BringCoreOnline(core))
        self._run_until(lambda: self._core_changes.get(core) is True, f"bringing core {core} back")

    def find(self, text: str) -> Domain:
        """The domain of that number, or the newest of that name, running ones first."""
        if text.isdigit() and int(text) in self._domains and int(text) > 0:
            return self._domains[int(text)]
        named = [domain for number, domain in self._domains.items() if number > 0 and domain.name == text]
        if not named:
            raise KernelError(f"no domain '{text}'; ps lists them")
        return max(named, key=lambda domain: (domain.alive, domain.id))

    def program(self, name: str) -> Program:
        """The program of that name."""
        try:
            return PROGRAMS[name]
        except KeyError:
            raise KernelError(f"no program '{name}'; programs lists them") from None

    def name_of(self, number: int) -> str:
        """The name of any domain, the system's own included."""
        return self._domains[number].name

    def domains(self) -> list[DomainStatus]:
        """The user's domains, by number."""
        return [self.status(domain) for number, domain in sorted(self._domains.items()) if number > 0]

    def status(self, domain: Domain) -> DomainStatus:
        """One domain, now."""
        for driver in self.drivers.values():
            driver.settle(self.now)
        return domain_status(domain, self.now)

    def cores(self) -> list[CoreStatus]:
        """All cores, by number."""
        for driver in self.drivers.values():
            driver.settle(self.now)
        return [core_status(driver) for driver in self.drivers.values()]

    def capability_spaces(self, domain: Domain) -> dict[int, list[CSpaceEntry]]:
        """What each dispatcher of a domain, by its number, holds capabilities to."""
        spaces: dict[int, list[CSpaceEntry]] = {}
        for service in self.capabilities.values():
            for number, index in service.spaces:
                if number == domain.id:
                    spaces[index] = service.print_cspace(number, index)
        return dict(sorted(spaces.items()))

    def channels(self, domain: Domain | None = None) -> list[ChannelStatus]:
        """The ends of all channels between domains, or those of one domain, by number."""
        ends = (end for binding in self._bindings.values() for end in binding.ends.values())
        found = [channel_status(end) for end in ends if domain is None or end.dispatcher.domain is domain]
        return sorted(found, key=lambda each: each.number)

    def services(self) -> list[ServiceStatus]:
        """The services that can be bound to, by reference."""
        names = self.knowledge.names
        return [
            service_status(service, names.get(service.iref, ""), binding)
            for binding in self._bindings.values()
            for service in binding.services.values()
        ]

    def replicate_names(self, cores: Sequence[int], how: str) -> None:
        """Have replicas of the name service on `cores`, in agreement by `how`; ReplicationError if that cannot be."""
        replicas = ReplicatedNames(Replication.of(self), cores, how)
        for service in self.services():
            if service.name:
                replicas.exported(service.name, service.iref, service.domain, service.core)
        self.knowledge.replicas = replicas

    def gang_unlocked(self, domain: Domain) -> None:
        """A gang is best effort in the phase that the domain has entered: the timers are not in step."""
        self._unlocked.append(domain)

    def take_unlocked(self) -> list[Domain]:
        """The domains of which that has been so since this was last asked."""
        unlocked, self._unlocked = self._unlocked, []
        return unlocked

    def take_trapped(self) -> list[Domain]:
        """The domains that have trapped since this was last asked."""
        trapped, self._trapped = self._trapped, []
        return trapped

    def slices(self, cores: Iterable[int], from_ps: int, to_ps: int) -> list[Slice]:
        """Who ran on `cores` between two instants, as far as the past goes."""
        return self.log.slices(cores, from_ps, min(to_ps, self.now))

    # -- what monitors tell ------------------------------------------------------------------------

    def next_task_id(self) -> int:
        return next(self._task_ids)

    def next_channel_number(self) -> int:
        return next(self._channel_numbers)

    def phase_entered(self, domain: Domain, phase: int) -> None:
        """The domain is in that phase from now on, on all its cores."""
        if domain.alive:
            domain.phase = phase
            self.controller.phase_changed(domain.id, phase)
            self.regime.changed()
            self.timekeeping.attend()
            self._derive_schedules()

    def phase_answered(self, domain: Domain, outcome: Outcome) -> None:
        """All planners have answered to the phase change that the shell asked for."""
        self._answers[domain.id] = outcome

    def route(self, domain: Domain) -> Route:
        """How the domain's phase changes go, as the SKB found it when domains were last placed."""
        if domain.id not in self._routes:
            self._find_route(domain)
        return self._routes[domain.id]

    def combination(self, domains: tuple[int, ...]) -> Combination:
        """The phases that these domains have agreed to be in."""
        return tuple((number, self._domains[number].agreed_phase) for number in domains)

    def client(self, domain: Domain, core: int) -> Client:
        """A connection of a domain's to the SKB."""
        return Client(self.knowledge, domain.id, core)

    def core_changed(self, core: int, online: bool) -> None:
        """A core's monitor has answered that it runs, or that it is about to halt."""
        self._core_changes[core] = online
        if online:
            self.timekeeping.started(core)
            self._load_changed()

    def timeslice_of(self, scheduler: Kind) -> int | None:
        """How long a timeslice would be on this machine, ps; None where there is no such thing."""
        return None if scheduler.timeslice is None else self.hardware.cost_ps(scheduler.timeslice, self.first_core)

    @property
    def running(self) -> list[Domain]:
        """The user's domains that run, by number."""
        return [domain for number, domain in sorted(self._domains.items()) if number > 0 and domain.alive]

    def serves(self, dispatcher: Dispatcher) -> bool:
        """Whether others bind to a service of the dispatcher's, which they find only where it is."""
        return any(each.dispatcher is dispatcher for each in self._bindings[dispatcher.core].services.values())

    def migrate(self, domain: Domain, index: int, to: int) -> None:
        """Have a dispatcher on another core, at once and without a message: the kernels share memory."""
        dispatcher, assignment = domain.dispatchers[index], domain.assignment(index)
        assert assignment is not None
        self._hot_plugs[dispatcher.core].hand_over(dispatcher, self._hot_plugs[to])
        domain.placed(replace(assignment, core=to))
        self.controller.migrated(domain.id, index, to)

    @property
    def reference_clock(self) -> Method:
        """By which clock the SKB has timers put in step."""
        return self.timekeeping.reference

    def timers_answered(
        self, method: Method, running: bool, in_step: bool, found: Mapping[int, Comparison]
    ) -> None:
        """Timer synchronisation is over."""
        self.timekeeping.answered(method, running, in_step, found)

    # -- inside ------------------------------------------------------------------------------------

    def system_domain(self, number: int, name: str, mains: Mapping[int, Callable[[], Code]]) -> Domain:
        """Create a domain of the system itself: no placement, no message, there from the start."""
        program = Program(name, "part of the system", "", lambda _: next(iter(mains.values()))())
        assignments = tuple(
            Assignment(index, core, (PlacedBestEffort(1),)) for index, core in enumerate(mains)
        )
        placement = Placement(number, None, assignments, "fixed", 0.0, 0, ())
        domain = Domain(number, name, program, (), placement, self._ended)
        for index, (core, main) in enumerate(mains.items()):
            dispatcher = Dispatcher(domain, index, self.drivers[core], self.next_task_id())
            dispatcher.start(main())
            domain.dispatchers[index] = dispatcher
            self.drivers[core].add(dispatcher, BestEffort(1))
        domain.state = DomainState.RUNNING
        self._domains[number] = domain
        return domain

    def _place(
        self, number: int, dispatchers: int, cores: Sequence[int], manifest: str | None, manifest_name: str,
        program: Program,
    ) -> Placement:
        return self.controller.place(
            number, dispatchers, cores=cores, manifest=manifest, manifest_name=manifest_name,
            coordinator=self.first_core, built_for=program.built_for,
        )

    def _made_room(self, dispatchers: int, cores: Sequence[int], manifest: str | None, program: Program) -> bool:
        """Whether a domain that may be asked for cores has given up what a new one needs, or is virtualised now."""
        found = self.negotiator.room_by_asking(
            dispatchers, cores=cores, manifest=manifest, built_for=program.built_for, coordinator=self.first_core
        )
        if found is None:
            return False
        with suppress(KernelError):  # it has ended meanwhile, which will do as well
            self.reclaim(found[0], found[1])
        return True

    def _carry_out(self, negotiated: Negotiated) -> None:
        """Have dispatchers moved, and planners told of other parameters, as was negotiated."""
        orders = []
        for move in negotiated.moves:
            domain = self._domains[move.domain]
            before = domain.assignment(move.dispatcher)
            assert before is not None
            domain.placed(Assignment(move.dispatcher, move.core, move.phases))
            orders.append(
                (before.core, MoveDispatcher(domain, move.dispatcher, move.core, move.phases, self.first_core))
            )
        inferences = negotiated.inferences + self._find_routes()
        if negotiated.changes:
            self._decided(self._changed(negotiated.changes), inferences)
            inferences = 0
        if orders:
            self._decided(MoveDispatchers(tuple(orders)), inferences)
        self._derive_schedules()
        self.regime.changed()

    def _span(self, request: SpanRequest) -> None:
        """Decide where a domain's new dispatcher runs, and have it made. KernelError where that cannot be."""
        domain = request.domain
        if not domain.alive:
            raise KernelError(f"{domain.name} is not running")
        try:
            assignment, inferences = self.controller.span(
                domain.id, () if request.core is None else (request.core,)
            )
        except PlacementError as error:
            raise KernelError(str(error)) from None
        domain.placed(assignment)
        domain.starts[assignment.dispatcher] = request.main
        self._decided(SpawnSpanned(request, assignment.dispatcher), inferences + self._find_routes())
        self._derive_schedules()

    def _way(self, mode: str, one: int, other: int) -> tuple[int, ...]:
        """The monitors that pass a message on between two cores."""
        found = self.kb.once("monitor_route(Mode, From, To, Cores)", {"Mode": mode, "From": one, "To": other})
        assert found is not None
        return tuple(found["Cores"])

    def _replan(self, placement: Placement) -> None:
        """Running domains whose allocation shrank for this one get their new parameters."""
        if placement.changed:
            self._decided(self._changed([Move(*change) for change in placement.changed]), 0)

    def _changed(self, changes: Sequence[Move]) -> Replan:
        """Dispatchers have other parameters on the cores where they are: what their planners are to be told."""
        for change in changes:
            self._domains[change.domain].placed(Assignment(change.dispatcher, change.core, change.phases))
        return Replan(tuple((self._domains[each.domain], each) for each in changes))

    def _manage(self, request: Managing) -> Managed:
        """A program presents a manifest, or a dispatcher joins or leaves a group of it."""
        number: int | None = None
        try:
            match request:
                case PresentManifest(domain=owner, core=core, text=text):
                    number, changes, inferences = self.controller.present(owner, core, text)
                    domain = self._domains[owner]
                    domain.placement = replace(domain.placement, manifest=number)
                case JoinGroup(domain=owner, dispatcher=dispatcher, manifest=number, group=group):
                    if number != self._domains[owner].placement.manifest:
                        raise PlacementError(f"{self._domains[owner].name} has no manifest {number}")
                    changes, inferences = self.controller.join(owner, dispatcher, group)
                case OfferCores(domain=owner, kind=kind, cores=cores):
                    return Managed(Granted(0), None, self.negotiator.offer(owner, kind, cores))
                case LeaveGroup(domain=owner, dispatcher=dispatcher):
                    changes, inferences = self.controller.leave(owner, dispatcher)
                case _:
                    raise KernelError(f"the placement controller knows no {type(request).__name__}")
        except PlacementError as error:
            return Managed(Granted(0, str(error)), None, 0)
        inferences += self._find_routes()
        self._derive_schedules()
        self._load_changed()
        return Managed(Granted(number or 0), self._changed(changes), inferences)

    def _derive_schedules(self) -> None:
        """Have the SKB derive the schedules that are wanted next, one after the other, and tell the planners.

        Only where domains have a schedule for each combination of their phases: the one that is in force, and those
        one phase change away. Others wait until they are as near.
        """
        for together in {route.together for route in self._routes.values() if route.together}:
            now = self.combination(together)
            combinations, inferences = self.controller.combinations(together[0])
            for each in combinations:
                away = sum(one != other for one, other in zip(each, now, strict=True))
                if away > 1 or each in self._derived:
                    continue
                schedule = self.controller.schedule(each)
                self._derived.add(each)
                parameters: dict[int, dict[tuple[int, int], Parameters]] = {}
                for slot in schedule.slots:
                    parameters.setdefault(slot.core, {})[slot.domain, slot.dispatcher] = slot.parameters
                self._decided(Distribute(each, parameters), inferences + schedule.inferences)
                inferences = 0

    def _find_routes(self) -> int:
        """Domains were placed: find how phase changes go from now on; the inferences that took."""
        self._derived.clear()  # for another placement
        return sum(
            self._find_route(domain) for domain in self._domains.values()
            if domain.id > 0 and domain.alive and domain.has_phases
        )

    def _find_route(self, domain: Domain) -> int:
        found = self.controller.route(domain.id)
        self._routes[domain.id] = Route(
            tree_of(found.tree), tuple(each * PS_PER_NS for each in found.allowances_ns), found.method,
            found.together,
        )
        return found.inferences

    def _post(self, core: int, message: object, urgent: bool = False) -> None:
        """A request from the shell to the monitor of `core`, as a local message."""
        monitor = self.monitors[core]
        monitor.endpoint.deliver(message, self._lmp_ps(), self.now)
        if urgent and monitor.endpoint.receiver is not None:
            monitor.driver.urge(monitor.endpoint.receiver.dispatcher, self.now)

    def _decided(self, message: object, inferences: int) -> None:
        """The SKB has decided what `message` tells the monitor of its core to do."""
        self.knowledge.endpoint.deliver(Decided(message, inferences), self._lmp_ps(), self.now)

    def _lmp_ps(self) -> int:
        return self.hardware.cost_ps("lmp", self.first_core)

    def _run_until(self, done: Callable[[], bool], what: str) -> None:
        if not self.timeline.run(None, done):
            why = "; ".join(each.text for each in waiting(self).deadlocks) or "nothing is left that could happen"
            raise KernelError(f"{what} has come to a stop: {why}")

    def _ended(self, domain: Domain, _now: int) -> None:
        """A domain ended by itself; what it had is freed when the instant is over."""
        if domain.id <= 0:
            raise KernelError(f"the {domain.name} of the system itself failed: {domain.fault}")
        if domain.state is DomainState.TRAPPED:
            self._trapped.append(domain)
        for core in domain.known_on:
            self.timeline.at(self.now, Priority.MESSAGE, core, self._remover(core, domain))
        self._forget(domain)

    def _remover(self, core: int, domain: Domain) -> Callable[[int], None]:
        return lambda _: self.monitors[core].remove(domain)

    def _abandon(self, domain: Domain) -> None:
        """Make sure that nothing of a killed or half-spawned domain is left."""
        if domain.state is DomainState.STARTING:
            domain.state = DomainState.KILLED
        if domain.state in (DomainState.KILLED, DomainState.STARTING):
            for core in domain.known_on:
                self.monitors[core].remove(domain)
            self._forget(domain)

    def _forget(self, domain: Domain) -> None:
        """A domain is no more: its cores are free, its records, locks and watches gone."""
        self.controller.release(domain.id)
        self._routes.pop(domain.id, None)
        self.records.owner_died(domain.id)
        self.knowledge.owner_died(domain.id)
        self.regime.changed()
        self._load_changed()

    def _running(self, number: int) -> Domain:
        domain = self._domains.get(number)
        if domain is None or number < 1:
            raise KernelError(f"no domain {number}; ps lists them")
        if not domain.alive:
            raise KernelError(f"domain {number} ({domain.name}) is not running: {domain.state.value}")
        return domain

    def _free_name(self, program: str) -> str:
        """`program`, or `program.2`, ... when that name is taken."""
        taken = {domain.name for number, domain in self._domains.items() if number > 0 and domain.alive}
        names = itertools.chain([program], (f"{program}.{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in taken)


def _has_moved(order: MoveDispatcher) -> bool:
    """Whether the dispatcher is on its new core, or no more."""
    dispatcher = order.domain.dispatchers.get(order.index)
    return not order.domain.alive or dispatcher is None or (dispatcher.scheduled and dispatcher.core == order.to)
