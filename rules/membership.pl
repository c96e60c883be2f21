:- encoding(utf8).
:- module(membership,
          [ join/4,                     % +Domain, +Dispatcher, +Group, -Answer
            leave/3                     % +Domain, +Dispatcher, -Answer
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(store).
:- use_module(policy).
:- use_module(requests).
:- use_module(granting).
:- use_module(component_packing).
:- use_module(refusal).

/** <module> Dispatchers join groups and leave them

A dispatcher that was made while its domain ran is in no group, and best effort, until it joins one (rsrc_join(),
dissertation §3.6.1; membership may vary with the work, §3.5.1). A gang that grows keeps its offset if the core of
the new member has room for it there; else that gang looks for another, and others move only if it finds none. Who
leaves moves nobody.
*/

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
        running_changes(regrouped(Domain, Dispatcher, Core, Groups, Phases), Changes)
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
        running_changes(regrouped(Domain, Dispatcher, Core, [], Phases), Changes)
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
