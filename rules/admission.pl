:- encoding(utf8).
:- module(admission,
          [ core_demands/3,             % +Core, +Basis, -Demands
            phase_tasks/2,              % +Parameters, -Tasks
            fits/1,                     % +Demands
            shortfall/2,                % +Demands, -Shortfall
            largest_factor/2,           % +Demands, -Factor
            demands_utilisation/2,      % +Demands, -Utilisation
            demand_utilisation/3,       % +Demand, -Utilisation, -Phase
            utilisation/2,              % ?Core, ?Utilisation
            capacity/1                  % -Capacity
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(topology).

/** <module> Admission: no reachable combination of phases over-commits a core

Domains change their phases independently of each other, so that every combination of one phase of each can
come about. Two tests hold for all of them at once:

  - *Rates*: the hard real-time tasks of every combination take at most 1 minus the reserve for best effort
    (10 %) of the core. The largest sum is that of each domain's largest.
  - *Demand*: where a deadline is shorter than its period, what is due within any interval must fit into it
    (Baruah, Rosier and Howell, 1990). How the releases of different domains lie to each other is decided
    when phases change, not here, so all are taken to be released at once, which is the worst case. At
    each length t of the interval the largest demand is, again, the sum of each domain's largest.

So nothing is admitted that EDF could not schedule; a set that only a lucky choice of releases makes feasible
is refused. What jobs of a phase just left still have to run is the CPU driver's affair, who knows them.
Soft real time and best effort get what is left and are not admitted.

The demands of a core are a list of demand(Domain, Phases), Phases a list of the hard real-time tasks of each
phase, task(Wcet, Period, Deadline) in ns. All arithmetic is exact.
*/

%!  capacity(-Capacity) is det.
%
%   Hard real time may take that share of a core; the rest is reserved for best effort (10 %, BETA in
%   Barrelfish's schedule_rbed.c).

capacity(9r10).

%!  core_demands(+Core, +Basis, -Demands) is det.
%
%   What the domains placed on Core demand, by what was `granted` to them or what they `asked` for.

core_demands(Core, Basis, Demands) :-
    findall(Domain, facts:allocation(Domain, _, Core), Domains0),
    sort(Domains0, Domains),
    findall(demand(Domain, Phases),
            ( member(Domain, Domains),
              domain_demand(Domain, Core, Basis, Phases)
            ),
            Demands).

domain_demand(Domain, Core, Basis, Phases) :-
    findall(Phase-Task,
            ( facts:allocation(Domain, Dispatcher, Core),
              parameters(Basis, Domain, Dispatcher, Phase, Parameters),
              phase_tasks(Parameters, Tasks),
              member(Task, Tasks)
            ),
            Pairs),
    Pairs = [_|_],
    aggregate_all(max(Phase), member(Phase-_, Pairs), Last),
    findall(Tasks,
            ( between(0, Last, Phase),
              findall(Task, member(Phase-Task, Pairs), Tasks)
            ),
            Phases).

parameters(granted, Domain, Dispatcher, Phase, Parameters) :-
    facts:granted(Domain, Dispatcher, Phase, Parameters, _).
parameters(asked, Domain, Dispatcher, Phase, Parameters) :-
    facts:granted(Domain, Dispatcher, Phase, _, Parameters).

%!  phase_tasks(+Parameters, -Tasks) is det.
%
%   The hard real-time tasks that parameters stand for: one, or none.

phase_tasks(best_effort(_), []).
phase_tasks(soft(_, _), []).
phase_tasks(hard(Wcet, Period, Deadline, _), [task(Wcet, Period, Deadline)]).
phase_tasks(gang(Wcet, Period, Deadline, _), [task(Wcet, Period, Deadline)]).

%!  fits(+Demands) is semidet.
%
%   Every combination of phases fits on one core.

fits(Demands) :-
    \+ shortfall(Demands, _).

%!  shortfall(+Demands, -Shortfall) is semidet.
%
%   Why they do not fit: rate(Utilisation, Capacity), or deadline(Interval, Demand): within an interval of
%   so many ns, so many ns of work are due.

shortfall(Demands, Shortfall) :-
    demands_utilisation(Demands, Utilisation),
    capacity(Capacity),
    (   Utilisation > Capacity
    ->  Shortfall = rate(Utilisation, Capacity)
    ;   overloaded_interval(Demands, 1, Interval),
        demand_within(Demands, Interval, Due),
        Shortfall = deadline(Interval, Due)
    ).

%!  largest_factor(+Demands, -Factor) is det.
%
%   If all WCETs are multiplied by Factor, at most 1, they fit; by any larger one they do not.

largest_factor(Demands, Factor) :-
    demands_utilisation(Demands, Utilisation),
    capacity(Capacity),
    (   Utilisation > Capacity
    ->  Factor0 is Capacity rdiv Utilisation
    ;   Factor0 = 1
    ),
    relieve(Demands, Factor0, Factor).

%   Demand grows in proportion to the factor: the one that just fits into an overloaded interval is exact
%   for that interval, and no larger one will do. There are finitely many intervals to look at.

relieve(Demands, Factor0, Factor) :-
    (   overloaded_interval(Demands, Factor0, Interval)
    ->  demand_within(Demands, Interval, Due),
        Factor1 is Interval rdiv Due,
        relieve(Demands, Factor1, Factor)
    ;   Factor = Factor0
    ).

%!  demands_utilisation(+Demands, -Utilisation) is det.
%
%   The largest share of the core that any combination of phases takes, a rational number.

demands_utilisation(Demands, Utilisation) :-
    foldl(add_utilisation, Demands, 0, Utilisation).

add_utilisation(Demand, Sum0, Sum) :-
    demand_utilisation(Demand, Utilisation, _),
    Sum is Sum0 + Utilisation.

%!  demand_utilisation(+Demand, -Utilisation, -Phase) is det.
%
%   The largest share that a domain takes in any phase, and the first phase in which it does.

demand_utilisation(demand(_, Phases), Utilisation, Phase) :-
    largest_phase(Phases, 0, 0, 0, Utilisation, Phase).

largest_phase([], _, Utilisation, Phase, Utilisation, Phase).
largest_phase([Tasks|Phases], Number, Most0, Phase0, Most, Phase) :-
    foldl(add_rate, Tasks, 0, Rate),
    Next is Number + 1,
    (   Rate > Most0
    ->  largest_phase(Phases, Next, Rate, Number, Most, Phase)
    ;   largest_phase(Phases, Next, Most0, Phase0, Most, Phase)
    ).

add_rate(task(Wcet, Period, _), Sum0, Sum) :-
    Sum is Sum0 + Wcet rdiv Period.

%!  utilisation(?Core, ?Utilisation) is nondet.
%
%   Hard real time may take that share of Core, in the combination of phases that takes most; a float
%   from 0 to 1.

utilisation(Core, Utilisation) :-
    core(Core),
    core_demands(Core, granted, Demands),
    demands_utilisation(Demands, Exact),
    Utilisation is float(Exact).

%   overloaded_interval(+Demands, +Factor, -Interval): with all WCETs multiplied by Factor, the demand of
%   that interval exceeds it. Quick processor-demand analysis (Zhang and Burns, 2009), which needs no more
%   of the demand than that it grows with the interval in steps at deadlines.

overloaded_interval(Demands, Factor, Interval) :-
    member(demand(_, Phases), Demands),
    member(Tasks, Phases),
    member(task(_, Period, Deadline), Tasks),
    Deadline < Period,
    !,                                  % with no such deadline the rates have told all
    horizon(Demands, Factor, Horizon),
    shortest_deadline(Demands, Shortest),
    deadline_before(Demands, Horizon, Last),
    descend(Last, Shortest, Demands, Factor, Interval).

descend(At, Shortest, Demands, Factor, Interval) :-
    demand_within(Demands, At, Due),
    Demand is Factor * Due,
    (   Demand > At
    ->  Interval = At
    ;   At =< Shortest
    ->  fail
    ;   Demand < At
    ->  Next is max(Demand, Shortest),
        descend(Next, Shortest, Demands, Factor, Interval)
    ;   deadline_before(Demands, At, Before),
        descend(Before, Shortest, Demands, Factor, Interval)
    ).

%   Beyond the horizon the rates alone keep the demand within the interval: the demand of t is at most
%   t * U plus, for each task, its rate times what its deadline is shorter than its period.

horizon(Demands, Factor, Horizon) :-
    demands_utilisation(Demands, Utilisation),
    foldl(add_earliness, Demands, 0, Early),
    Horizon is max(0, Factor * Early rdiv (1 - Factor * Utilisation)) + 1.

add_earliness(demand(_, Phases), Sum0, Sum) :-
    aggregate_all(max(Early),
                  ( member(Tasks, Phases), foldl(add_early, Tasks, 0, Early) ),
                  Most),
    Sum is Sum0 + Most.

add_early(task(Wcet, Period, Deadline), Sum0, Sum) :-
    Sum is Sum0 + Wcet * (Period - Deadline) rdiv Period.

demand_within(Demands, Interval, Due) :-
    foldl(add_demand(Interval), Demands, 0, Due).

add_demand(Interval, demand(_, Phases), Sum0, Sum) :-
    phases_due(Phases, Interval, 0, Most),
    Sum is Sum0 + Most.

phases_due([], _, Most, Most).
phases_due([Tasks|Phases], Interval, Most0, Most) :-
    foldl(add_due(Interval), Tasks, 0, Due),
    Most1 is max(Most0, Due),
    phases_due(Phases, Interval, Most1, Most).

add_due(Interval, task(Wcet, Period, Deadline), Sum0, Sum) :-
    (   Interval >= Deadline
    ->  Sum is Sum0 + (floor((Interval - Deadline) rdiv Period) + 1) * Wcet
    ;   Sum = Sum0
    ).

shortest_deadline(Demands, Shortest) :-
    aggregate_all(min(Deadline), task_of(Demands, task(_, _, Deadline)), Shortest).

%   The last instant before At at which a deadline can lie, or the first of all.

deadline_before(Demands, At, Last) :-
    shortest_deadline(Demands, Shortest),
    aggregate_all(max(Instant),
                  ( task_of(Demands, task(_, Period, Deadline)),
                    Deadline < At,
                    Instant is Deadline + (ceiling((At - Deadline) rdiv Period) - 1) * Period
                  ;   Instant = Shortest
                  ),
                  Last).

task_of(Demands, Task) :-
    member(demand(_, Phases), Demands),
    member(Tasks, Phases),
    member(Task, Tasks).
