:- encoding(utf8).
:- module(replacing,
          [ replace/2,                  % +Policy, -Answer
            migration_cost/3            % +From, +To, -Nanoseconds
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(store).
:- use_module(topology).
:- use_module(distance).
:- use_module(costs).
:- use_module(load).
:- use_module(policy).
:- use_module(eligibility).
:- use_module(schedules).
:- use_module(component_packing, [counted/2]).

/** <module> Placing anew what runs, where that is worth a move

Domains come and go, cores come back, loads change: what was placed well may not be any more (long-term placement, dissertation
§3.4.2). Each dispatcher that is best effort in every phase, and that nobody has pinned, is looked at in turn: the policy ranks the
cores for it as if it were to be placed now, all others being where they are. It moves if it is better off elsewhere by more than the
move costs.

What it is better off by is the difference of the policy's costs, read as a share of a core, over the time that things are expected to
stay as they are (cost `replacement_horizon`). What the move costs is known from the mechanism (kernel/hotplug.py): two messages between
the cores, the capability's copy, two context switches and their interrupts. That caches have to be filled anew is not in it, for it
depends on what the program has in them.
*/

%!  replace(+Policy, -Answer) is det.
%
%   Answer is answer(Inferences, Moves), Moves a list of moved(Domain, Dispatcher, From, To, Gain, Cost, Phases): dispatchers that are
%   placed elsewhere now, what they gain and what moving costs, in ns.
%
%   @error policy_error(Text)

replace(Policy, answer(Inferences, Moves)) :-
    prepare_topology,
    counted(atomically(replaced(Policy, Moves)), Inferences).

replaced(Policy, Moves) :-
    use_policy(Policy),
    findall(Domain-Dispatcher, movable(Domain, Dispatcher), Pairs0),
    sort(Pairs0, Pairs),
    catch(foldl(consider(Policy), Pairs, Moves, []),
          error(bad_policy(Text), _),
          throw(error(policy_error(Text), _))).

movable(Domain, Dispatcher) :-
    facts:allocation(Domain, Dispatcher, _),
    \+ facts:considered(Domain, Dispatcher, given, _, _, _, _),
    \+ facts:virtualised(Domain, Dispatcher, _),                   % its domain is not to have more cores
    \+ ( facts:granted(Domain, Dispatcher, _, Parameters, _), Parameters \= best_effort(_) ).

consider(Policy, Domain-Dispatcher, Moves, Rest) :-
    facts:allocation(Domain, Dispatcher, From),
    snapshot(costs_elsewhere(Policy, Domain, Dispatcher, Ranking)),
    (   Ranking = [Least-To|Others],
        memberchk(Present-From, Ranking),
        Least < Present,
        horizon(Horizon),
        Gain is (Present - Least) / 100 * Horizon,   % loads are in percent
        migration_cost(From, To, Cost),
        Gain > Cost
    ->  take_place(Domain, Dispatcher, Policy, To, Least, Others),
        phases_with_offsets(Domain, Dispatcher, Phases),
        GainNs is round(Gain),
        CostNs is round(Cost),
        Moves = [moved(Domain, Dispatcher, From, To, GainNs, CostNs, Phases)|Rest]
    ;   Moves = Rest
    ).

%   costs_elsewhere(+Policy, +Domain, +Dispatcher, -Ranking): Cost-Core of all cores, the rest of the domain having been placed so far.
%   To be called in a snapshot.

costs_elsewhere(Policy, Domain, Dispatcher, Ranking) :-
    image_of(Domain, Image),
    with_image(Image, eligible_cores(Cores)),
    findall(Other-Core, ( facts:allocation(Domain, Other, Core), Other =\= Dispatcher ), Peers),
    withdraw(placement, allocation(Domain, _, _)),
    begin_loads,
    forall(( member(Other-Core, Peers), granted_phases(Domain, Other, Phases) ),
           load_added(Other, Core, Phases)),
    ranking(Policy, Dispatcher, Cores, Ranking),
    end_loads.

take_place(Domain, Dispatcher, Policy, Core, Cost, Others) :-
    withdraw(placement, allocation(Domain, Dispatcher, _)),
    withdraw(placement, considered(Domain, Dispatcher, _, _, _, _, _)),
    findall(Other-Each, member(Each-Other, Others), Alternatives0),
    (   length(Alternatives, 3),
        append(Alternatives, _, Alternatives0)
    ->  true
    ;   Alternatives = Alternatives0
    ),
    load_facts(placement,
               [ allocation(Domain, Dispatcher, Core),
                 considered(Domain, Dispatcher, Policy, Core, Cost, Alternatives, forbidden(0, 0, 0))
               ]).

horizon(Nanoseconds) :-
    once(core(Core)),
    cost_ns(replacement_horizon, Core, Nanoseconds).

%!  migration_cost(+From, +To, -Nanoseconds) is det.
%
%   What it takes, on both cores together, to bring a dispatcher from one to the other.

migration_cost(From, To, Nanoseconds) :-
    maplist(at_one_end, [From, To], [One, Other]),
    (   distance_ns(From, To, Message)
    ->  true
    ;   Message = 0                     % not known: the rest still counts
    ),
    Nanoseconds is One + Other + 2 * Message.

at_one_end(Core, Nanoseconds) :-
    findall(Cost,
            ( member(Name, [interrupt, context_switch, system_call, system_call]), cost_ns(Name, Core, Cost) ),
            Costs),
    sum_list(Costs, Nanoseconds).
