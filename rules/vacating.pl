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
:- use_module(policy).
:- use_module(choosing).
:- use_module(granting).
:- use_module(component_packing, [counted/2]).
:- use_module(schedules).
:- use_module(eligibility).
:- use_module(refusal).

/** <module> Taking a core off line, and back

The policy in use finds other cores for the dispatchers of the core, each of a gang on one of its own; those of real
time need room there, at the time slots they have or at others, and nobody gets less for it. Who was put there by its
user stays; then the core does too.
*/

%!  vacate(+Core, -Answer) is det.
%
%   Core is off line, and Answer is answer(Inferences, Moves, Changes). Moves is a list of move(Domain, Dispatcher, To,
%   Phases): dispatchers that are placed elsewhere now. Changes are changed(Domain, Dispatcher, Core, Phases), of others
%   whose time slots are others now. Refused, and nothing changed, where somebody has to stay.
%
%   @error placement_error(Text)

vacate(Core, answer(Inferences, Moves, Changes)) :-
    must_run(Core),
    prepare_topology,
    counted(atomically(vacated(Core, Moves, Changes)), Inferences).

vacated(Core, Moves, Changes) :-
    must_be_movable(Core),
    load_facts(placement, [offline(Core)]),
    must_leave_one(Core),
    findall(Domain-Dispatcher, facts:allocation(Domain, Dispatcher, Core), Pairs0),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    catch(running_changes(maplist(move_domain, Groups), Changes0),
          error(placement_error(Text), _),
          refuse("core ~w stays on line: ~s", [Core, Text])),
    findall(move(Domain, Dispatcher, To, Phases),
            ( member(Domain-Dispatcher, Pairs),
              facts:allocation(Domain, Dispatcher, To),
              phases_with_offsets(Domain, Dispatcher, Phases)
            ),
            Moves),
    exclude(moves(Pairs), Changes0, Changes).

moves(Pairs, changed(Domain, Dispatcher, _, _)) :-
    memberchk(Domain-Dispatcher, Pairs).

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
    facts:considered(Domain, _, given, Core, _, _, _),
    format(atom(Why), 'domain ~w is pinned to it', [Domain]).

%   move_domain(+Dispatchers): Domain-Dispatchers, all those of Domain on the core, are stated on other cores.

move_domain(Domain-Dispatchers) :-
    maplist(request(Domain), Dispatchers, Requests),
    forall(member(Dispatcher, Dispatchers),
           (   withdraw(placement, allocation(Domain, Dispatcher, _)),
               withdraw(placement, considered(Domain, Dispatcher, _, _, _, _, _))
           )),
    policy_in_use(Policy),
    image_of(Domain, Image),
    findall(Group-Core,
            ( facts:dispatcher_group(Domain, Other, Group), facts:allocation(Domain, Other, Core) ),
            Places),
    with_image(Image, with_gangs_elsewhere(Places, choose(any, Requests, Policy, Choices))),
    maplist(moved(Domain), Choices, Cores),
    make_room(Domain, Policy, Cores, no).

request(Domain, Dispatcher, request(Dispatcher, Group, Phases)) :-
    (   facts:dispatcher_group(Domain, Dispatcher, Known)
    ->  Group = Known
    ;   Group = main
    ),
    granted_phases(Domain, Dispatcher, Phases).

moved(Domain, choice(Dispatcher, Core, Policy, Cost, Others, Forbidden), Core) :-
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
