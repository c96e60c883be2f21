:- encoding(utf8).
:- module(schedules,
          [ schedule/3,                 % +Combination, -Schedule, -How
            schedule/2,                 % +Combination, -Answer
            next_schedules/3,           % +Domain, -Combinations, -Inferences
            granted_phases/3,           % +Domain, +Dispatcher, -Phases
            phases_with_offsets/3,      % +Domain, +Dispatcher, -Phases
            who/4                       % +Domain, +Dispatcher, +Parameters, -Who
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(combinations).
:- use_module(refusal).

/** <module> The schedule of a combination of phases

What the placement controller sends to the planners, one combination after the other (dissertation §3.6.1): what
each dispatcher of a component gets, and at which offset of the synchronised clocks its periods begin. The offsets
were found when the domains were placed (granting.pl), in the first place such that they hold in every combination;
then a change of one domain's phase moves nobody else.
*/

%!  schedule(+Combination, -Schedule, -How) is det.
%
%   Combination is Domain-Phase of all domains of a component, ascending. Schedule is a list of
%   slot(Domain, Dispatcher, Core, Parameters, Offset) for all their dispatchers, in order; Offset, in ns, is where
%   in each period
%   a gang, or hard real time with release `auto`, begins on the synchronised clocks, else 0. How is
%   how(Scope, Found, Empty, Bound): the offsets are those of all combinations (`static`) or of this alone
%   (`separate`); they were
%   found by first fit (`greedy`), a search for fewer rows (`fewest`), local repair (`repair`) or exact search (`exact`), or there were none to be found
%   (`none`); of the
%   matrix of offsets in use and cores in use so many slots are Empty, and in any packing at least Bound.
%
%   @error placement_error(Text)

schedule(Combination, Schedule, how(Scope, Found, Empty, Bound)) :-
    must_be_combination(Combination),
    scope(Combination, Scope, Found),
    findall(slot(Domain, Dispatcher, Core, Parameters, Offset),
            ( member(Domain-Phase, Combination),
              facts:granted(Domain, Dispatcher, Phase, Parameters, _),
              facts:allocation(Domain, Dispatcher, Core),
              offset_in(Combination, Domain, Dispatcher, Phase, Parameters, Offset)
            ),
            Slots),
    sort(Slots, Schedule),
    matrix(Schedule, Empty, Bound).

%!  schedule(+Combination, -Answer) is det.
%
%   As schedule/3; Answer is answer(Inferences, Schedule, How).

schedule(Combination, answer(Inferences, Schedule, How)) :-
    statistics(inferences, Before),
    schedule(Combination, Schedule, How),
    statistics(inferences, After),
    Inferences is After - Before.

must_be_combination(Combination) :-
    (   Combination = [Domain-_|_],
        component(Domain, Domains),
        pairs_keys(Combination, Domains)
    ->  (   member(One-Phase, Combination),
            \+ facts:granted(One, _, Phase, _, _)
        ->  refuse("domain ~w has no phase ~w", [One, Phase])
        ;   true
        )
    ;   Combination = [Domain-_|_],
        component(Domain, Domains)
    ->  pairs_keys(Combination, Named),
        refuse("a combination has a phase of each domain of a component: of ~w, not ~w", [Domains, Named])
    ;   Combination = [Domain-_|_]
    ->  refuse("domain ~w is placed nowhere", [Domain])
    ;   refuse("an empty combination of phases", [])
    ).

scope(Combination, Scope, Found) :-
    (   facts:combination_slots(Combination, _, Found)
    ->  Scope = separate
    ;   Scope = static,
        findall(How,
                ( member(Domain-Phase, Combination), facts:timeslot(Domain, Phase, _, _, How) ),
                Hows),
        (   member(Found, [exact, repair, fewest, greedy]),
            memberchk(Found, Hows)
        ->  true
        ;   Found = none
        )
    ).

offset_in(Combination, Domain, Dispatcher, Phase, Parameters, Offset) :-
    (   who(Domain, Dispatcher, Parameters, Who)
    ->  (   facts:combination_slots(Combination, Offsets, _)
        ->  memberchk(u(Domain, Phase, Who)-Offset, Offsets)
        ;   facts:timeslot(Domain, Phase, Who, Known, _)
        ->  Offset = Known
        ;   Offset = 0
        )
    ;   Offset = 0
    ).

%!  who(+Domain, +Dispatcher, +Parameters, -Who) is semidet.
%
%   Whose offset is that of the Dispatcher with these Parameters: its gang's, or its own. Fails where it has none: of
%   best
%   effort and soft real time, and where the manifest says when the first release is.

who(Domain, Dispatcher, gang(_, _, _, auto), Who) :-
    (   facts:dispatcher_group(Domain, Dispatcher, Group)
    ->  Who = Group
    ;   Who = Dispatcher
    ).
who(_, Dispatcher, hard(_, _, _, auto), Dispatcher).

%   matrix(+Schedule, -Empty, -Bound): the rows are the offsets in use, the columns the cores on which something
%   begins at one.

matrix(Schedule, Empty, Bound) :-
    findall(cell(Core, Offset, Kind),
            ( member(slot(_, _, Core, Parameters, Offset), Schedule), known_release(Parameters, Kind) ),
            Cells),
    findall(Core, member(cell(Core, _, _), Cells), Cores0),
    findall(Offset, member(cell(_, Offset, _), Cells), Rows0),
    findall(Core-Offset, member(cell(Core, Offset, _), Cells), Taken0),
    maplist(distinct, [Cores0, Rows0, Taken0], [Columns, Rows, Taken]),
    Empty is Rows * Columns - Taken,
    findall(Core, member(cell(Core, _, tight), Cells), Tight0),
    msort(Tight0, Tight),
    longest_run(Tight, Most),
    length(Cells, All),
    Bound is max(0, max(Most, min(1, Rows)) * Columns - All).

known_release(gang(W, _, D, auto), Kind) :- ( W == D -> Kind = tight ; Kind = easy ).
known_release(hard(W, _, D, auto), Kind) :- ( W == D -> Kind = tight ; Kind = easy ).

distinct(List, Count) :-
    sort(List, Set),
    length(Set, Count).

longest_run(Sorted, Most) :-
    findall(Key-1, member(Key, Sorted), Pairs),
    group_pairs_by_key(Pairs, Groups),
    findall(Count, ( member(_-Ones, Groups), length(Ones, Count) ), Counts),
    max_list([0|Counts], Most).

%!  next_schedules(+Domain, -Combinations, -Inferences) is det.
%
%   The combinations of Domain's component in the order in which their schedules are due: the current one, then those
%   one
%   phase change away, and so on (next_combinations/2).
%
%   @error placement_error(Text)

next_schedules(Domain, Combinations, Inferences) :-
    statistics(inferences, Before),
    (   component(Domain, Domains)
    ->  next_combinations(Domains, Combinations)
    ;   refuse("domain ~w is placed nowhere", [Domain])
    ),
    statistics(inferences, After),
    Inferences is After - Before.

%!  granted_phases(+Domain, +Dispatcher, -Phases) is det.
%
%   The parameters granted to a dispatcher, by phase.

granted_phases(Domain, Dispatcher, Phases) :-
    findall(Phase-Parameters, facts:granted(Domain, Dispatcher, Phase, Parameters, _), Pairs0),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Phases).

%!  phases_with_offsets(+Domain, +Dispatcher, -Phases) is det.
%
%   As granted_phases/3, for the planners: hard(Wcet, Period, Deadline, Release, Offset) and gang/5 say the offset
%   too. Where
%   combinations have offsets of their own it is that with all other domains as they are now.

phases_with_offsets(Domain, Dispatcher, Phases) :-
    (   facts:granted(Domain, Dispatcher, _, Some, _),
        who(Domain, Dispatcher, Some, _),
        component(Domain, Domains)
    ->  current_combination(Domains, Now)
    ;   Now = []
    ),
    findall(Phase-Parameters,
            ( facts:granted(Domain, Dispatcher, Phase, Granted, _),
              with_offset(Now, Domain, Dispatcher, Phase, Granted, Parameters)
            ),
            Pairs0),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Phases).

with_offset(Now, Domain, Dispatcher, Phase, Granted, Parameters) :-
    (   Granted = hard(W, P, D, Release)
    ->  Parameters = hard(W, P, D, Release, Offset)
    ;   Granted = gang(W, P, D, Release)
    ->  Parameters = gang(W, P, D, Release, Offset)
    ;   Parameters = Granted
    ),
    (   Release == auto                 % a variable of other kinds
    ->  replaced(Now, Domain-Phase, Combination),
        offset_in(Combination, Domain, Dispatcher, Phase, Granted, Offset)
    ;   Offset = 0
    ).

replaced([], _, []).
replaced([Domain-Now|Rest0], Changed, [Each|Rest]) :-
    (   Changed = Domain-_
    ->  Each = Changed
    ;   Each = Domain-Now
    ),
    replaced(Rest0, Changed, Rest).
