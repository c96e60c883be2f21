:- encoding(utf8).
:- module(membership,
          [ present/4,                  % +Domain, +Core, +Text, -Answer
            join/4,                     % +Domain, +Dispatcher, +Group, -Answer
            leave/3                     % +Domain, +Dispatcher, -Answer
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(store).
:- use_module(manifest).
:- use_module(schedules).
:- use_module(policy).
:- use_module(requests).
:- use_module(granting).
:- use_module(component_packing).
:- use_module(refusal).

/** <module> Dispatchers join groups and leave them, of a manifest that a running domain may present

A dispatcher that was made while its domain ran is in no group, and best effort, until it joins one (rsrc_join(),
dissertation §3.6.1; membership may vary with the work, §3.5.1). A gang that grows keeps its offset if the core of
the new member has room for it there; else that gang looks for another, and others move only if it finds none. Who
leaves moves nobody.
*/

%!  present(+Domain, +Core, +Text, -Answer) is det.
%
%   Domain, which runs without a manifest, presents Text as its own on Core (rsrc_manifest(), §3.6.1). Its dispatchers are in no
%   group yet, and best effort in every phase. Answer is answer(Inferences, presented(Manifest, Changes)).
%
%   @error manifest_error(Line, Column, Text), placement_error(Text)

present(Domain, Core, Text, answer(Inferences, presented(Manifest, Changes))) :-
    counted(atomically(presented(Domain, Core, Text, Manifest, Changes)), Inferences).

presented(Domain, Core, Text, Manifest, Changes) :-
    (   facts:domain_manifest(Domain, Known)
    ->  refuse("domain ~w has manifest ~w already", [Domain, Known])
    ;   \+ facts:allocation(Domain, _, _)
    ->  refuse("domain ~w is placed nowhere", [Domain])
    ;   true
    ),
    submit(Core, Text, Manifest, Groups),
    phase_count(Groups, Count),
    Last is Count - 1,
    findall(Dispatcher, facts:allocation(Domain, Dispatcher, _), Dispatchers),
    withdraw(placement, granted(Domain, _, _, _, _)),
    withdraw(placement, dispatcher_group(Domain, _, _)),
    findall(granted(Domain, Dispatcher, Phase, best_effort(1), best_effort(1)),
            ( member(Dispatcher, Dispatchers), between(0, Last, Phase) ),
            Granted),
    load_facts(placement, [domain_manifest(Domain, Manifest)|Granted]),
    findall(Change, ( member(Dispatcher, Dispatchers), as_it_is(Domain, Dispatcher, Change) ), Changes).

as_it_is(Domain, Dispatcher, changed(Domain, Dispatcher, Core, Phases)) :-
    facts:allocation(Domain, Dispatcher, Core),
    phases_with_offsets(Domain, Dispatcher, Phases).

%   with_own(+Domain, +Dispatcher, +Changes0, -Changes): the dispatcher itself is among those that have something else now.

with_own(Domain, Dispatcher, Changes0, Changes) :-
    (   memberchk(changed(Domain, Dispatcher, _, _), Changes0)
    ->  Changes = Changes0
    ;   as_it_is(Domain, Dispatcher, Own),
        Changes = [Own|Changes0]
    ).

%!  join(+Domain, +Dispatcher, +Group, -Answer) is det.
%
%   Dispatcher is of that Group of the domain's manifest now. Answer is answer(Inferences, Changes), Changes a list of
%   changed(Domain, Dispatcher, Core, Phases): all whose parameters or offsets are others now.
%
%   @error placement_error(Text)

join(Domain, Dispatcher, Group, answer(Inferences, Changes)) :-
    counted(atomically(joined(Domain, Dispatcher, Group, Changes)), Inferences).

joined(Domain, Dispatcher, Group, Changes) :-
    must_be_placed(Domain, Dispatcher, Core),
    group_phases(Domain, Group, Phases),
    (   facts:dispatcher_group(Domain, Dispatcher, Group)
    ->  refuse("dispatcher ~w of domain ~w is in group ~w already", [Dispatcher, Domain, Group])
    ;   memberchk(gang(_, _, _, _), Phases),
        facts:dispatcher_group(Domain, Other, Group),
        facts:allocation(Domain, Other, Core)
    ->  refuse("dispatchers ~w and ~w of the gang ~w are both on core ~w; members of a gang need distinct cores",
               [Other, Dispatcher, Group, Core])
    ;   Groups = [dispatcher_group(Domain, Dispatcher, Group)],
        running_changes(regrouped(Domain, Dispatcher, Core, Groups, Phases), Changes0),
        with_own(Domain, Dispatcher, Changes0, Changes)
    ).

%!  leave(+Domain, +Dispatcher, -Answer) is det.
%
%   Dispatcher is of no group now, and best effort of weight 1 in every phase. Answer as of join/4.
%
%   @error placement_error(Text)

leave(Domain, Dispatcher, answer(Inferences, Changes)) :-
    counted(atomically(left(Domain, Dispatcher, Changes)), Inferences).

left(Domain, Dispatcher, Changes) :-
    must_be_placed(Domain, Dispatcher, Core),
    (   facts:dispatcher_group(Domain, Dispatcher, _)
    ->  findall(best_effort(1), facts:granted(Domain, Dispatcher, _, _, _), Phases),
        running_changes(regrouped(Domain, Dispatcher, Core, [], Phases), Changes0),
        with_own(Domain, Dispatcher, Changes0, Changes)
    ;   refuse("dispatcher ~w of domain ~w is in no group", [Dispatcher, Domain])
    ).

must_be_placed(Domain, Dispatcher, Core) :-
    (   facts:allocation(Domain, Dispatcher, Core)
    ->  true
    ;   refuse("domain ~w has no dispatcher ~w", [Domain, Dispatcher])
    ).

group_phases(Domain, Group, Phases) :-
    (   facts:domain_manifest(Domain, Manifest)
    ->  (   facts:manifest_group(Manifest, Group, _)
        ->  group_parameters(Manifest, Group, Phases)
        ;   findall(Each, facts:manifest_group(Manifest, Each, _), Groups),
            atomic_list_concat(Groups, ', ', Known),
            refuse("the manifest of domain ~w has no group ~w; there is ~w", [Domain, Group, Known])
        )
    ;   refuse("domain ~w has no manifest", [Domain])
    ).

regrouped(Domain, Dispatcher, Core, Groups, Phases) :-
    withdraw(placement, dispatcher_group(Domain, Dispatcher, _)),
    withdraw(placement, granted(Domain, Dispatcher, _, _, _)),
    findall(granted(Domain, Dispatcher, Phase, Parameters, Parameters), nth0(Phase, Phases, Parameters), Granted),
    append(Groups, Granted, Facts),
    load_facts(placement, Facts),
    policy_in_use(Policy),
    make_room(Domain, Policy, [Core], yes).
