:- encoding(utf8).
:- module(combinations,
          [ component/2,                % +Domain, -Domains
            components/1,               % -Components
            combination/2,              % +Domains, ?Combination
            current_combination/2,      % +Domains, -Combination
            combination_count/2,        % +Domains, -Count
            nearer_first/2,             % +Domains, -Combination
            next_combinations/2,        % +Domains, -Combinations
            most_combinations/1         % -Count
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(library(solution_sequences)).

/** <module> Combinations of phases, and whom they concern

Domains change their phases independently of each other; for each combination that can come about the placement
controller derives one schedule (dissertation §3.6.1). What concerns no common core needs no common schedule:
domains that have hard real time on a core that they share, or share one with such that do, and so on, form a
component, and a combination says of each domain of one component which phase it is in. Best effort and soft real
time take what is left; a domain without hard real time is a component of its own.
*/

%!  most_combinations(-Count) is det.
%
%   Schedules of their own are derived for at most so many combinations of a component.

most_combinations(256).

%!  component(+Domain, -Domains:list) is semidet.
%
%   Domains, ascending, are the component of Domain, which is placed.

component(Domain, Domains) :-
    once(facts:allocation(Domain, _, _)),
    hard_places(Places),
    grown([Domain], Places, Domains).

%!  components(-Components:list) is det.
%
%   All components of domains with hard real time, by their first domain.

components(Components) :-
    hard_places(Places),
    findall(Domain, member(_-Domain, Places), Domains0),
    sort(Domains0, Domains),
    parted(Domains, Places, Components).

parted([], _, []).
parted([Domain|Domains], Places, [Component|Components]) :-
    grown([Domain], Places, Component),
    subtract(Domains, Component, Others),
    parted(Others, Places, Components).

grown(Domains0, Places, Domains) :-
    findall(Core, ( member(Core-Domain, Places), memberchk(Domain, Domains0) ), Cores0),
    sort(Cores0, Cores),
    findall(Domain, ( member(Core-Domain, Places), memberchk(Core, Cores) ), Found0),
    append(Domains0, Found0, Found1),
    sort(Found1, Found),
    (   same_length(Found, Domains0)
    ->  Domains = Found
    ;   grown(Found, Places, Domains)
    ).

%   hard_places(-Places): Core-Domain, where a domain has hard real time in some phase.

hard_places(Places) :-
    findall(Domain-Dispatcher,
            ( facts:granted(Domain, Dispatcher, _, Parameters, _), hard_parameters(Parameters) ),
            Hard0),
    sort(Hard0, Hard),
    findall(Core-Domain,
            ( member(Domain-Dispatcher, Hard), facts:allocation(Domain, Dispatcher, Core) ),
            Places0),
    sort(Places0, Places).

hard_parameters(gang(_, _, _, _)).
hard_parameters(hard(_, _, _, _)).

%!  combination(+Domains:list, ?Combination:list) is nondet.
%
%   Combination has Domain-Phase for each of Domains, which are in order.

combination([], []).
combination([Domain|Domains], [Domain-Phase|Combination]) :-
    phases_of(Domain, Phases),
    member(Phase, Phases),
    combination(Domains, Combination).

phases_of(Domain, Phases) :-
    findall(Phase, facts:granted(Domain, _, Phase, _, _), Phases0),
    sort(Phases0, Phases).

%!  current_combination(+Domains:list, -Combination:list) is det.
%
%   The combination that they are in; a domain that is being placed begins in phase 0.

current_combination(Domains, Combination) :-
    maplist(current_phase, Domains, Combination).

current_phase(Domain, Domain-Phase) :-
    (   facts:domain_phase(Domain, Now)
    ->  Phase = Now
    ;   Phase = 0
    ).

%!  combination_count(+Domains:list, -Count) is det.
%
%   They have so many combinations.

combination_count(Domains, Count) :-
    foldl(times_phases, Domains, 1, Count).

times_phases(Domain, Count0, Count) :-
    phases_of(Domain, Phases),
    length(Phases, Own),
    Count is Count0 * Own.

%!  nearer_first(+Domains:list, -Combination:list) is nondet.
%
%   The current combination, then those that differ from it in one phase, then in two, and so on; among equals by
%   domains and
%   phases.

nearer_first(Domains, Combination) :-
    current_combination(Domains, Now),
    length(Now, Most),
    between(0, Most, Changes),
    changed(Now, Changes, Combination).

changed(Now, 0, Now) :- !.
changed([Domain-Now|Rest0], Changes, [Domain-Phase|Rest]) :-
    phases_of(Domain, Phases),
    member(Phase, Phases),
    Phase =\= Now,
    Fewer is Changes - 1,
    changed(Rest0, Fewer, Rest).
changed([Same|Rest0], Changes, [Same|Rest]) :-
    length(Rest0, Left),
    Left >= Changes,
    changed(Rest0, Changes, Rest).

%!  next_combinations(+Domains:list, -Combinations:list) is det.
%
%   As nearer_first/2, at most as many as schedules are derived for.

next_combinations(Domains, Combinations) :-
    most_combinations(Most),
    findall(Combination, limit(Most, nearer_first(Domains, Combination)), Combinations).
