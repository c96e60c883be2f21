:- encoding(utf8).
:- module(vacating,
          [ vacate/2,                   % +Core, -Answer
            restore/1                   % +Core
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(store).
:- use_module(topology).
:- use_module(admission).
:- use_module(policy).
:- use_module(choosing).
:- use_module(schedules).
:- use_module(eligibility).
:- use_module(refusal).

/** <module> Taking a core off line, and back

Best-effort dispatchers can run anywhere: the policy in use finds other cores for them. Who was promised time on
the core (real time), or was put there by its user, stays; then the core does too.
*/

%!  vacate(+Core, -Answer) is det.
%
%   Core is off line, and Answer is answer(Inferences, Moves), Moves a list of
%   move(Domain, Dispatcher, To, Phases): dispatchers that are placed elsewhere now. Refused, and nothing
%   changed, where somebody has to stay.
%
%   @error placement_error(Text)

vacate(Core, answer(Inferences, Moves)) :-
    must_run(Core),
    prepare_topology,
    statistics(inferences, Before),
    atomically(( must_be_movable(Core),
                  load_facts(placement, [offline(Core)]),
                  must_leave_one(Core),
                  findall(Domain-Dispatcher, facts:allocation(Domain, Dispatcher, Core), Pairs0),
                  keysort(Pairs0, Pairs),
                  group_pairs_by_key(Pairs, Groups),
                  maplist(move_domain, Groups, Moves0),
                  append(Moves0, Moves)
                )),
    statistics(inferences, After),
    Inferences is After - Before.

must_run(Core) :-
    (   \+ core(Core)
    ->  findall(Known, core(Known), All),
        ranges_text(All, AllText),
        refuse("no core ~w; cores are ~w", [Core, AllText])
    ;   facts:offline(Core)
    ->  refuse("core ~w is off line already", [Core])
    ;   true
    ).

must_leave_one(Core) :-
    (   on_line(_)
    ->  true
    ;   refuse("core ~w is the last one on line", [Core])
    ).

must_be_movable(Core) :-
    findall(Why, stays(Core, Why), Reasons0),
    sort(Reasons0, Reasons),
    (   Reasons == []
    ->  true
    ;   atomic_list_concat(Reasons, '; ', Text),
        refuse("core ~w stays on line: ~w", [Core, Text])
    ).

stays(Core, Why) :-
    core_demands(Core, granted, Demands),
    member(demand(Domain, Tasks), Demands),
    demand_utilisation(demand(Domain, Tasks), Utilisation, Phase),
    Utilisation > 0,
    percent(Utilisation, Percent),
    format(atom(Why), 'domain ~w has ~s of it as hard real time in phase ~w', [Domain, Percent, Phase]).
stays(Core, Why) :-
    facts:allocation(Domain, Dispatcher, Core),
    facts:granted(Domain, Dispatcher, Phase, soft(Wcet, Period), _),
    percent(Wcet rdiv Period, Percent),
    format(atom(Why), 'domain ~w has ~s of it as soft real time in phase ~w', [Domain, Percent, Phase]).
stays(Core, Why) :-
    facts:considered(Domain, _, given, Core, _, _, _),
    format(atom(Why), 'domain ~w is pinned to it', [Domain]).

move_domain(Domain-Dispatchers, Moves) :-
    maplist(request(Domain), Dispatchers, Requests),
    forall(member(Dispatcher, Dispatchers),
           (   withdraw(placement, allocation(Domain, Dispatcher, _)),
               withdraw(placement, considered(Domain, Dispatcher, _, _, _, _, _))
           )),
    policy_in_use(Policy),
    image_of(Domain, Image),
    with_image(Image, choose(any, Requests, Policy, Choices)),
    maplist(moved(Domain), Requests, Choices, Moves).

request(Domain, Dispatcher, request(Dispatcher, main, Phases)) :-
    granted_phases(Domain, Dispatcher, Phases).

moved(Domain, request(Dispatcher, _, Phases), choice(Dispatcher, Core, Policy, Cost, Others, Forbidden),
      move(Domain, Dispatcher, Core, Phases)) :-
    load_facts(placement,
               [ allocation(Domain, Dispatcher, Core),
                 considered(Domain, Dispatcher, Policy, Core, Cost, Others, Forbidden)
               ]).

%!  restore(+Core) is det.
%
%   Core is on line again; dispatchers may be placed there.
%
%   @error placement_error(Text)

restore(Core) :-
    (   facts:offline(Core)
    ->  atomically(withdraw(placement, offline(Core)))
    ;   core(Core)
    ->  refuse("core ~w is on line already", [Core])
    ;   must_run(Core)
    ).
