:- encoding(utf8).
:- module(requests,
          [ requests/3,                 % +Manifest, +Dispatchers, -Requests
            group_parameters/3,         % +Manifest, +Group, -Phases
            real_time/1,                % +Request
            hard/1,                     % +Request
            ganged/1                    % +Request
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(manifest).
:- use_module(admission).
:- use_module(refusal).

/** <module> What the dispatchers of a domain ask for

A manifest speaks of groups; here each dispatcher learns what it asks for in each phase.
*/

%!  requests(+Manifest, +Dispatchers, -Requests) is det.
%
%   Requests is a list of request(Dispatcher, Group, Phases), one for each of so many Dispatchers of a domain
%   that runs by Manifest, or `none`: best effort of weight 1, always.

requests(none, Count, Requests) :-
    !,
    Last is Count - 1,
    findall(request(Dispatcher, main, [best_effort(1)]), between(0, Last, Dispatcher), Requests).
requests(Manifest, Count, Requests) :-
    findall(group(Name, Members, Phases),
            ( facts:manifest_group(Manifest, Name, Members),
              findall(Phase-Parameters, facts:manifest_phase(Manifest, Phase, Name, Parameters), Pairs0),
              keysort(Pairs0, Pairs),
              pairs_values(Pairs, Phases)
            ),
            Groups),
    (   Groups == []
    ->  refuse("no manifest ~w", [Manifest])
    ;   true
    ),
    phase_count(Groups, PhaseCount),
    group_members(Groups, Count, Memberships),
    findall(request(Dispatcher, Name, Phases),
            ( member(group(Name, _, Phases0), Groups),
              lengthened(Phases0, PhaseCount, Phases),
              memberchk(Name-Members, Memberships),
              member(Dispatcher, Members)
            ),
            Requests0),
    sort(Requests0, Requests).

%!  group_parameters(+Manifest, +Group, -Phases:list) is det.
%
%   What each dispatcher of Group asks for in each phase.

group_parameters(Manifest, Group, Phases) :-
    findall(Name-Phase-Parameters, facts:manifest_phase(Manifest, Phase, Name, Parameters), All),
    findall(Phase, member(_-Phase-_, All), Numbers),
    max_list(Numbers, Last),
    findall(Phase-Parameters, member(Group-Phase-Parameters, All), Pairs0),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Own),
    Count is Last + 1,
    lengthened(Own, Count, Phases).

lengthened(Phases0, Count, Phases) :-
    last(Phases0, Last),
    length(Phases, Count),
    append(Phases0, Rest, Phases),
    maplist(=(Last), Rest),
    !.

real_time(request(_, _, Phases)) :-
    member(Parameters, Phases),
    Parameters \= best_effort(_),
    !.

hard(request(_, _, Phases)) :-
    member(Parameters, Phases),
    phase_tasks(Parameters, [_]),
    !.

ganged(request(_, _, Phases)) :-
    memberchk(gang(_, _, _, _), Phases).
