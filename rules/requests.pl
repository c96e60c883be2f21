:- encoding(utf8).
:- module(requests,
          [ requests/3,                 % +Manifest, +Dispatchers, -Requests
            real_time/1,                % +Request
            hard/1,                     % +Request
            ganged/1,                   % +Request
            release_time/1,             % -Nanoseconds
            nanoseconds_per/2           % ?Unit, ?Nanoseconds
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(costs).
:- use_module(manifest).
:- use_module(admission).
:- use_module(refusal).

/** <module> What the dispatchers of a domain ask for

A manifest speaks of groups; here each dispatcher learns what it asks for in each phase, and every release
becomes a time.
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
              released(Phases0, PhaseCount, Phases),
              memberchk(Name-Members, Memberships),
              member(Dispatcher, Members)
            ),
            Requests0),
    sort(Requests0, Requests).

released(Phases0, Count, Phases) :-
    maplist(with_release, Phases0, Stated),
    last(Stated, Last),
    length(Phases, Count),
    append(Stated, Rest, Phases),
    maplist(=(Last), Rest),
    !.

with_release(hard(Wcet, Period, Deadline, auto), hard(Wcet, Period, Deadline, Release)) :-
    !,
    release_time(Release).
with_release(gang(Wcet, Period, Deadline, auto), gang(Wcet, Period, Deadline, Release)) :-
    !,
    release_time(Release).
with_release(Parameters, Parameters).

%!  release_time(-Nanoseconds) is det.
%
%   A phase whose release the system picks is released that long after its change began. By then all planners
%   must have changed (dissertation §3.5.5), and each may have to wait for its turn on a busy core first:
%   six timeslices, which is the 480 ms that the dissertation's own manifest (figure 3.4) chose by hand.

release_time(Nanoseconds) :-
    once(cost_of(timeslice, Value, Unit, _)),
    nanoseconds_per(Unit, Scale),
    Nanoseconds is round(6 * Value * Scale).

nanoseconds_per(ns, 1).
nanoseconds_per(us, 1000).
nanoseconds_per(ms, 1000000).
nanoseconds_per(s, 1000000000).

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
