:- encoding(utf8).
:- module(packing,
          [ problem/4,                  % +Domains, +Combination, +Demand, -Problem
            core_problem/4,             % +Core, +Phases, +Demand, -Problem
            pack_quickly/2,             % !Problem, +Hints
            can_meet/2,                 % +Unit, +Other
            pack/3,                     % !Problem, +Hints, -How
            put/2,                      % !Problem, +Offsets
            offsets/2,                  % +Problem, -Offsets
            packing_factor/3,           % +Problem, +Factor0, -Factor
            fitting/1                   % +Problem
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(slots).

/** <module> Gangs into time slots: Ousterhout's matrix with rows of any length

A gang, and a hard real-time dispatcher whose release is `auto`, is a _unit_: what is looked for is its offset, at
which each of its periods begins on the synchronised clocks of all its cores, so that no core is over-committed
(slots.pl). Ousterhout's matrix (1982) has time slots for rows and cores for columns; here rows are the offsets, and
first fit in time means the first row that is there already and has room on all of the unit's cores, else the
earliest offset at which some neighbour begins or ends. Where units are few, branch and bound looks for a packing of
fewer rows, in which fewer slots are empty. What does not find a place by first fit is put where fewest
others are in the way, and those look for a new one (bounded local repair).

A problem is problem(Units, Columns): Units of unit(Id, Wcet, Period, Deadline, Offset, Columns), Id being u(Domain,
Phase, Who), Who a gang's group or a dispatcher's number, Offset a variable until it is chosen; Columns as in
slots.pl, alike ones once.
*/

:- set_prolog_flag(optimise, true).

%   Steps that local repair takes at most, and offsets that are tried for a unit at most.

most_repairs(60).
most_candidates(200).

%   Units for which fewest rows are searched for at most, and what that may take for each number of rows.

most_searched(8).
search_inferences(100000).

%   And what repair may take; deciding takes time of its own.

repair_inferences(500000).

%!  problem(+Domains, +Combination, +Demand, -Problem) is det.
%
%   The packing problem of a component: of all its combinations at once if Combination is `all`. Demand is `granted`,
%   or
%   asked(Factor): what was asked for, multiplied; slots(Demand) has gangs due at the ends of their WCETs, so that
%   nothing else
%   may run in their slots and all members run at the same time.

problem(Domains, Combination, Demand, Problem) :-
    findall(Core-job(Domain, Phase, Who, task(W, P, D)),
            ( member(Domain, Domains),
              in_phase(Combination, Domain, Phase),
              job(Domain, Phase, Demand, Core, Who, task(W, P, D))
            ),
            Jobs0),
    jobs_problem(Jobs0, Problem).

%!  core_problem(+Core, +Phases:list, +Demand, -Problem) is det.
%
%   The packing problem of one core in all combinations, if dispatchers of a domain `new` come to those that are
%   there;
%   Phases has the parameters of each by phase.

core_problem(Core, New, Demand, Problem) :-
    findall(Domain, facts:allocation(Domain, _, Core), Domains0),
    sort(Domains0, Domains),
    findall(Core-job(Domain, Phase, Who, Task),
            (   member(Domain, Domains),
                job(Domain, Phase, Demand, Core, Who, Task)
            ;   Domain = new,
                nth0(Dispatcher, New, Phases),
                nth0(Phase, Phases, Parameters),
                new_job(Parameters, Dispatcher, Who, Task)
            ),
            Jobs),
    jobs_problem(Jobs, Problem).

new_job(Parameters, Dispatcher, Who, task(W, P, D)) :-
    (   Parameters = gang(W, P, D, Release)
    ;   Parameters = hard(W, P, D, Release)
    ),
    ( Release == auto -> Who = Dispatcher ; Who = loose(Dispatcher) ).

jobs_problem(Jobs0, problem(Units, Columns)) :-
    keysort(Jobs0, Jobs1),
    group_pairs_by_key(Jobs1, ByCore),
    findall(Jobs, ( member(_-Unsorted, ByCore), msort(Unsorted, Jobs) ), Cores0),
    sort(Cores0, Cores),                % many cores are alike
    findall(u(Domain, Phase, Who)-Task,
            ( member(Jobs, Cores), member(job(Domain, Phase, Who, Task), Jobs), Who \= loose(_) ),
            Ids0),
    sort(Ids0, Ids),
    maplist(offset_variable, Ids, Offsets),
    maplist(column(Offsets), Cores, Columns),
    maplist(unit(Cores, Columns), Ids, Offsets, Units).

in_phase(all, _, _) :- !.
in_phase(Combination, Domain, Phase) :-
    memberchk(Domain-Phase, Combination).

job(Domain, Phase, Demand, Core, Who, task(W, P, D)) :-
    ( Demand = slots(Demand1) -> true ; Demand1 = Demand ),
    facts:granted(Domain, Dispatcher, Phase, Granted, Asked),
    ( Demand1 = asked(Factor) -> Parameters = Asked ; Parameters = Granted, Factor = 1 ),
    (   Parameters = gang(W0, P, D0, Release),
        Kind = gang
    ;   Parameters = hard(W0, P, D0, Release),
        Kind = hard
    ),
    W is floor(Factor * W0),
    (   Kind == gang,
        Demand = slots(_),
        Release == auto
    ->  D = W
    ;   D = D0
    ),
    facts:allocation(Domain, Dispatcher, Core),
    (   Release \== auto
    ->  Who = loose(Dispatcher)
    ;   Kind == gang,
        facts:dispatcher_group(Domain, Dispatcher, Group)
    ->  Who = Group
    ;   Who = Dispatcher
    ).

offset_variable(Id-_, Id-_).

column(Offsets, Jobs, Column) :-
    findall(Domain, member(job(Domain, _, _, _), Jobs), Domains0),
    sort(Domains0, Domains),
    maplist(domain_column(Jobs, Offsets), Domains, Column).

domain_column(Jobs, Offsets, Domain, domain(Domain, Phases)) :-
    findall(Phase, member(job(Domain, Phase, _, _), Jobs), Numbers0),
    sort(Numbers0, Numbers),
    maplist(phase_column(Jobs, Offsets, Domain), Numbers, Phases).

phase_column([], _, _, _, []).
phase_column([Job|Jobs], Offsets, Domain, Phase, Tasks) :-
    (   Job = job(Domain, Phase, Who, task(W, P, D))
    ->  (   Who = loose(_)
        ->  Offset = loose
        ;   memberchk(u(Domain, Phase, Who)-Offset, Offsets)
        ),
        Tasks = [task(W, P, D, Offset)|Rest]
    ;   Tasks = Rest
    ),
    phase_column(Jobs, Offsets, Domain, Phase, Rest).

unit(Cores, Columns, u(Domain, Phase, Who)-task(W, P, D), Id-Offset, unit(Id, W, P, D, Offset, Own)) :-
    own_columns(Cores, Columns, job(Domain, Phase, Who, task(W, P, D)), Own).

own_columns([], [], _, []).
own_columns([Jobs|Cores], [Column|Columns], Job, Own) :-
    (   memberchk(Job, Jobs)
    ->  Own = [Column|Rest]
    ;   Own = Rest
    ),
    own_columns(Cores, Columns, Job, Rest).

%!  put(!Problem, +Offsets) is det.
%
%   Units whose Id-Offset is in Offsets are there; others stay as they are.

put(problem(Units, _), Offsets) :-
    maplist(put_unit(Offsets), Units).

put_unit(Offsets, unit(Id, _, P, _, Offset, _)) :-
    (   memberchk(Id-Known, Offsets)
    ->  Offset is Known mod P
    ;   true
    ).

%!  offsets(+Problem, -Offsets) is det.
%
%   Id-Offset of all units.

offsets(problem(Units, _), Offsets) :-
    maplist(unit_offset, Units, Offsets).

unit_offset(unit(Id, _, _, _, Offset, _), Id-Offset).

%!  fitting(+Problem) is semidet.
%
%   No column is over-committed by what has its place.

fitting(problem(_, Columns)) :-
    maplist(column_fits, Columns).

%!  packing_factor(+Problem, +Factor0, -Factor) is det.
%
%   Factor is the largest, at most Factor0, by which all WCETs may be multiplied with the offsets as they are.

packing_factor(problem(_, Columns), Factor0, Factor) :-
    foldl(column_factor, Columns, Factor0, Factor).

%!  pack(!Problem, +Hints, -How) is semidet.
%
%   All units have their offsets. Hints are the offsets that units have now, which are kept if the others find their
%   place
%   beside them; else those are, from the first on, that fit together. How is `kept` (no other had to be found),
%   `greedy`, `fewest` (a search found fewer rows than first fit) or `repair`. Fails if no packing is found.

pack(Problem, Hints, How) :-
    Problem = problem(Units, _),
    \+ \+ fitting(Problem),             % the loose ones alone
    \+ hopeless(Units),
    (   findall(Offsets-Way, once(( first_fit(Problem, Hints, Way), offsets(Problem, Offsets) )), [First-How0])
    ->  (   How0 == greedy,
            fewest_rows(Units, Hints, First, Fewest)
        ->  maplist(take_place(Fewest), Units),
            How = fewest
        ;   maplist(take_place(First), Units),
            How = How0
        )
    ;   hardest_first(Units, Ordered),
        most_repairs(Steps),
        repair_inferences(Most),
        call_with_inference_limit(repair(Ordered, [], Units, Steps, Found), Most, Outcome),
        Outcome \== inference_limit_exceeded
    ->  maplist(take_place(Found), Units),
        How = repair
    ).

%!  pack_quickly(!Problem, +Hints) is semidet.
%
%   As pack/3, by first fit alone.

pack_quickly(Problem, Hints) :-
    \+ \+ fitting(Problem),
    once(first_fit(Problem, Hints, _)).

%   first_fit(!Problem, +Hints, -How): whoever has an offset keeps it; else those do, from the first on, that fit
%   together; else nobody.

first_fit(Problem, Hints, How) :-
    Problem = problem(Units, _),
    (   hinted(Units, Hints, Rest),
        fitting(Problem)
    ;   Hints \== [],
        maplist(kept_where_it_fits(Units), Hints),
        exclude(put_already, Units, Rest)
    ;   Hints \== [],
        Rest = Units
    ),
    hardest_first(Rest, Ordered),
    greedy(Ordered, Units),
    ( Rest == [] -> How = kept ; How = greedy ).
first_fit(problem(Units, _), _, greedy) :-
    largest_first(Units, Ordered),
    greedy(Ordered, Units).

kept_where_it_fits(Units, Id-Known) :-
    (   memberchk(unit(Id, _, P, _, Offset0, Columns), Units),
        var(Offset0),
        Offset0 = Offset,
        \+ \+ ( Offset is Known mod P, maplist(column_fits, Columns) )
    ->  Offset is Known mod P
    ;   true
    ).

put_already(unit(_, _, _, _, Offset, _)) :-
    nonvar(Offset).

hinted([], _, []).
hinted([Unit|Units], Hints, Rest) :-
    Unit = unit(Id, _, P, _, Offset, _),
    (   memberchk(Id-Known, Hints)
    ->  Offset is Known mod P,
        hinted(Units, Hints, Rest)
    ;   Rest = [Unit|More],
        hinted(Units, Hints, More)
    ).

%   fewest_rows(+Units, +Hints, +First, -Fewest): a packing of fewer rows than First, which first fit has found, and of no
%   more than any other that leaves alone who keeps its offset: branch and bound, on few units and for so many inferences.

fewest_rows(Units, Hints, First, Fewest) :-
    partition(kept_there(Hints), First, Kept, Placed),
    length(Placed, Count),
    most_searched(Most),
    Count > 1,
    Count =< Most,
    rows_of(First, Rows),
    rows_of(Kept, Before),
    Least is max(1, Before),
    Last is Rows - 1,
    search_inferences(Inferences),
    between(Least, Last, Bound),
    findall(Found,
            ( maplist(take_place(Kept), Units),
              exclude(put_already, Units, Free),
              hardest_first(Free, Ordered),
              call_with_inference_limit(within_rows(Ordered, Units, Bound), Inferences, Outcome),
              !,
              Outcome \== inference_limit_exceeded,
              maplist(unit_offset, Units, Found)
            ),
            [Fewest]),
    !.

kept_there(Hints, Id-Offset) :-
    memberchk(Id-Offset, Hints).

rows_of(Places, Count) :-
    pairs_values(Places, Offsets0),
    sort(Offsets0, Offsets),
    length(Offsets, Count).

%   within_rows(+Units, +All, +Bound): those get their offsets, in the rows that there are or in new ones, Bound rows in all.

within_rows([], _, _).
within_rows([Unit|Units], All, Bound) :-
    Unit = unit(_, _, P, _, Offset, Columns),
    findall(Row, ( member(unit(_, _, _, _, Row, _), All), integer(Row) ), Rows0),
    sort(Rows0, Rows),
    length(Rows, Used),
    neighbours(All, Unit, Neighbours),
    (   member(Offset, Rows),
        Offset < P
    ;   Used < Bound,
        candidates(Unit, Neighbours, All, Candidates),
        member(Offset, Candidates),
        \+ memberchk(Offset, Rows)
    ),
    \+ ( member(Other, Neighbours), slots_overlap(Unit, Other) ),
    maplist(column_fits, Columns),
    within_rows(Units, All, Bound).

%   hopeless(+Units): a unit fits on its cores nowhere even alone, so that no order helps.

hopeless(Units) :-
    member(unit(_, _, _, _, 0, Columns), Units),
    \+ maplist(column_fits, Columns).

%   Shorter periods leave less choice: they come first, and among them the longest slots, of most cores.

hardest_first(Units, Ordered) :-
    findall(key(P, Less, Fewer, Id)-Index,
            ( nth1(Index, Units, unit(Id, W, P, _, _, Columns)),
              Less is -W, length(Columns, Count), Fewer is -Count
            ),
            Keyed),
    in_order(Keyed, Units, Ordered).

largest_first(Units, Ordered) :-
    findall(key(Less, P, Id)-Index,
            ( nth1(Index, Units, unit(Id, W, P, _, _, Columns)), length(Columns, Count), Less is -(W * Count) ),
            Keyed),
    in_order(Keyed, Units, Ordered).

in_order(Keyed0, Units, Ordered) :-
    keysort(Keyed0, Keyed),
    pairs_values(Keyed, Indices),
    maplist(nth_unit(Units), Indices, Ordered).

nth_unit(Units, Index, Unit) :-
    nth1(Index, Units, Unit).

greedy([], _).
greedy([Unit|Units], All) :-
    Unit = unit(_, _, _, _, Offset, Columns),
    neighbours(All, Unit, Neighbours),
    candidates(Unit, Neighbours, All, Candidates),
    (   member(Offset, Candidates),
        \+ ( member(Other, Neighbours), slots_overlap(Unit, Other) ),
        maplist(column_fits, Columns)
    ->  greedy(Units, All)
    ).

%   neighbours(+Units, +Unit, -Neighbours): those that have a core in common with Unit and may run when it does.

neighbours([], _, []).
neighbours([Other|Units], Unit, Neighbours) :-
    (   can_meet(Unit, Other)
    ->  Neighbours = [Other|Rest]
    ;   Neighbours = Rest
    ),
    neighbours(Units, Unit, Rest).

%!  can_meet(+Unit, +Other) is semidet.
%
%   They are two, have a core in common, and a combination of phases has both.

can_meet(unit(Id, _, _, _, _, Columns), unit(OtherId, _, _, _, _, OtherColumns)) :-
    Id \== OtherId,
    Id = u(Domain, Phase, _),
    OtherId = u(Other, OtherPhase, _),
    (   Domain \== Other
    ->  true
    ;   Phase == OtherPhase
    ),
    member(Column, Columns),
    member(OtherColumn, OtherColumns),
    Column == OtherColumn,
    !.

%   slots_overlap(+Unit, +Other): both have their places and no choice when to run, and want the same time: a quick
%   test.

slots_overlap(unit(_, W, P, W, Offset, _), unit(_, V, Q, V, Known, _)) :-
    integer(Offset),
    integer(Known),
    Common is gcd(P, Q),
    Distance is (Known - Offset) mod Common,
    ( Distance < W -> true ; Common - Distance < V ).

%   candidates(+Unit, +Neighbours, +Units, -Offsets): rows that there are, then where the unit would begin or end
%   with a neighbour.

candidates(unit(_, W, P, D, _, _), Neighbours, Units, Offsets) :-
    findall(Row,
            ( member(unit(_, _, _, _, Offset, _), Units), integer(Offset), Row is Offset mod P ),
            Rows0),
    sort(Rows0, Rows),
    findall(Candidate,
            ( member(unit(_, V, Q, E, Offset, _), Neighbours),
              integer(Offset),
              Common is gcd(P, Q),
              member(Start, [Offset + V, Offset + E, Offset - W, Offset - D]),
              First is Start mod Common,
              Last is min(63, P // Common - 1),
              between(0, Last, K),
              Candidate is First + K * Common
            ),
            Others0),
    sort([0|Others0], Others1),
    subtract(Others1, Rows, Others),
    append(Rows, Others, All),
    most_candidates(Most),
    (   length(Offsets, Most),
        append(Offsets, _, All)
    ->  true
    ;   Offsets = All
    ).

%   repair(+Queue, +Places, +Units, +Steps, -Found): Places and Found are Id-Offset. Who finds no place takes one
%   where fewest are in
%   the way, but not where it was before; those return to the queue.

repair(Queue, Places, Units, Steps, Found) :-
    repair(Queue, Places, [], Units, Steps, Found).

repair([], Places, _, _, _, Places).
repair([Unit|Queue], Places, Tried, Units, Steps, Found) :-
    Steps > 0,
    Fewer is Steps - 1,
    Unit = unit(Id, _, _, _, _, _),
    findall(Count-Offset-Evicted,
            ( candidate_among(Unit, Places, Units, Offset),
              \+ memberchk(Id-Offset, Tried),
              in_the_way(Unit, Offset, Places, Units, Evicted),
              length(Evicted, Count)
            ),
            Ways0),
    keysort(Ways0, [_-Offset-Evicted|_]),
    exclude(evicted(Evicted), Places, Kept),
    findall_units(Evicted, Units, Again),
    append(Queue, Again, Next),
    repair(Next, [Id-Offset|Kept], [Id-Offset|Tried], Units, Fewer, Found).

evicted(Ids, Id-_) :-
    memberchk(Id, Ids).

findall_units([], _, []).
findall_units([Id|Ids], Units, [Unit|Rest]) :-
    Unit = unit(Id, _, _, _, _, _),
    memberchk(Unit, Units),
    findall_units(Ids, Units, Rest).

candidate_among(Unit, Places, Units, Offset) :-
    findall(Candidates,
            ( maplist(take_place(Places), Units),
              neighbours(Units, Unit, Neighbours),
              candidates(Unit, Neighbours, Units, Candidates)
            ),
            [Candidates]),
    member(Offset, Candidates).

take_place(Places, unit(Id, _, _, _, Offset, _)) :-
    (   memberchk(Id-Known, Places)
    ->  Offset = Known
    ;   true
    ).

%   in_the_way(+Unit, +Offset, +Places, +Units, -Evicted): those who leave no room for it there, one after the other
%   in
%   the order in which they came, latest first.

in_the_way(unit(Id, _, _, _, _, _), Offset, Places, Units, Evicted) :-
    stay(Places, [Id-Offset], Id, Units, Evicted),
    fits_with([Id-Offset], Id, Units).

stay([], _, _, _, []).
stay([Place|Places], Staying, Id, Units, Evicted) :-
    (   fits_with([Place|Staying], Id, Units)
    ->  stay(Places, [Place|Staying], Id, Units, Evicted)
    ;   Place = Who-_,
        Evicted = [Who|Rest],
        stay(Places, Staying, Id, Units, Rest)
    ).

fits_with(Places, Id, Units) :-
    \+ \+ ( maplist(take_place(Places), Units),
            memberchk(unit(Id, _, _, _, _, Columns), Units),
            maplist(column_fits, Columns) ).
