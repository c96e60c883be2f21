:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(random)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/placement').
:- use_module('../../rules/combinations').
:- use_module('../../rules/schedules').
:- use_module('../../rules/packing').
:- use_module('../../rules/packing_exact').

%   problem(+Sizes, -Problem): gangs gang(Wcet, Period, Deadline), each a domain, all on one core.

problem(Gangs, problem(Units, [Column])) :-
    findall(gang(W, P, D, _), member(gang(W, P, D), Gangs), Open),
    findall(Domain, nth1(Domain, Open, _), Domains),
    maplist(domain_of, Domains, Open, Column),
    maplist(unit_of(Column), Domains, Open, Units).

domain_of(Domain, gang(W, P, D, Offset), domain(Domain, [[task(W, P, D, Offset)]])).

unit_of(Column, Domain, gang(W, P, D, Offset), unit(u(Domain, 0, main), W, P, D, Offset, [Column])).

%   The oracle: every offset of every gang.

packable(Problem) :-
    Problem = problem(Units, _),
    \+ \+ ( maplist(somewhere, Units), fitting(Problem) ).

somewhere(unit(_, _, P, _, Offset, [_])) :-
    Last is P - 1,
    between(0, Last, Offset).

random_gangs(Gangs) :-
    random_between(2, 3, Count),
    findall(gang(W, P, D),
            ( between(1, Count, _),
              random_member(P, [4, 6, 8, 12]),
              random_between(1, 3, W),
              random_between(0, 2, Slack),
              D is min(P, W + Slack)
            ),
            Gangs).

%   side_by_side(+Gangs, -Problem): each Cores, for 4 of every 40, no later; each a domain.

side_by_side(Gangs, problem(Units, Columns)) :-
    length(Gangs, Count),
    length(Offsets, Count),
    numlist(0, 4, Cores),
    maplist(gang_column(Gangs, Offsets), Cores, Columns),
    findall(Domain, nth1(Domain, Gangs, _), Domains),
    maplist(gang_unit(Columns), Domains, Gangs, Offsets, Units).

gang_column(Gangs, Offsets, Core, Column) :-
    gang_column(Gangs, Offsets, 1, Core, Column).

gang_column([], [], _, _, []).
gang_column([Cores|Gangs], [Offset|Offsets], Domain, Core, Column) :-
    (   memberchk(Core, Cores)
    ->  Column = [domain(Domain, [[task(4, 40, 4, Offset)]])|Rest]
    ;   Column = Rest
    ),
    Next is Domain + 1,
    gang_column(Gangs, Offsets, Next, Core, Rest).

gang_unit(Columns, Domain, Cores, Offset, unit(u(Domain, 0, main), 4, 40, 4, Offset, Own)) :-
    findall(Index, ( member(Core, Cores), Index is Core ), Indices),
    maplist(nth_column(Columns), Indices, Own).

nth_column(Columns, Index, Column) :-
    nth0(Index, Columns, Column).

%   coloured(+Gangs, +Colours): so many rows suffice if no two gangs with a core in common are in one.

coloured(Gangs, Colours) :-
    once(coloured(Gangs, Colours, [])).

coloured([], _, _).
coloured([Cores|Gangs], Colours, Done) :-
    between(1, Colours, Colour),
    \+ ( member(Other-Colour, Done), member(Core, Cores), memberchk(Core, Other) ),
    coloured(Gangs, Colours, [Cores-Colour|Done]).

rows(Problem, Rows) :-
    offsets(Problem, Offsets),
    pairs_values(Offsets, Values),
    sort(Values, Distinct),
    length(Distinct, Rows).

:- begin_tests(packing).

test(no_packing_has_fewer_rows, [forall(between(1, 60, Seed))]) :-
    set_random(seed(Seed)),
    random_between(3, 7, Count),
    findall(Cores,
            ( between(1, Count, _),
              random_between(1, 3, Many),
              randseq(Many, 5, Taken),
              findall(Core, ( member(One, Taken), Core is One - 1 ), Cores)
            ),
            Gangs),
    side_by_side(Gangs, Problem),
    pack(Problem, [], _),
    assertion(fitting(Problem)),
    rows(Problem, Rows),
    once(( between(1, 10, Fewest), coloured(Gangs, Fewest) )),
    assertion(Rows =:= Fewest).

test(first_fit_takes_a_row_too_many, How-Rows == fewest-3) :-
    side_by_side([[3, 0], [4, 3], [1, 2], [4, 1], [1], [4, 3]], Problem),
    pack(Problem, [], How),
    rows(Problem, Rows).

test(who_has_an_offset_keeps_it_whatever_rows_that_takes, How-Rows == greedy-2) :-
    side_by_side([[0], [1], [2]], Problem),
    pack(Problem, [u(1, 0, main)-0, u(2, 0, main)-20], How),
    rows(Problem, Rows).

test(first_fit_in_time, How-Offsets == greedy-[u(1, 0, main)-4, u(2, 0, main)-0, u(3, 0, main)-8]) :-
    problem([gang(4, 20, 4), gang(4, 10, 4), gang(2, 20, 2)], Problem),
    pack(Problem, [], How),
    offsets(Problem, Offsets0),
    Offsets = Offsets0.

test(who_has_an_offset_keeps_it, How-Offsets == greedy-[u(1, 0, main)-6, u(2, 0, main)-0]) :-
    problem([gang(4, 20, 4), gang(4, 20, 4)], Problem),
    pack(Problem, [u(1, 0, main)-6], How),
    offsets(Problem, Offsets).

test(unless_nothing_fits_then, true(Problem2)) :-
    problem([gang(4, 20, 4), gang(8, 20, 8), gang(6, 20, 6)], Problem),
    pack(Problem, [u(1, 0, main)-6], _),
    fitting(Problem),
    Problem2 = true.

test(what_is_packed_fits_and_what_is_proven_is_so,
     [setup(set_random(seed(7))), forall(between(1, 150, _)), true(Answer == Expected)]) :-
    random_gangs(Gangs),
    problem(Gangs, Problem),
    ( packable(Problem) -> Expected = found ; Expected = none ),
    exact(Problem, Answer),
    ( Answer == found -> fitting(Problem) ; true ).

test(greedy_and_repair_find_only_what_there_is,
     [setup(set_random(seed(8))), forall(between(1, 150, _)), true]) :-
    random_gangs(Gangs),
    problem(Gangs, Problem),
    (   pack(Problem, [], _)
    ->  fitting(Problem)
    ;   true
    ).

test(three_slots_in_the_common_divisor_of_two, Answer == none) :-
    problem([gang(20, 60, 20), gang(20, 60, 20), gang(20, 90, 20)], Problem),
    exact(Problem, Answer).

:- end_tests(packing).

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

:- begin_tests(separate_schedules, [setup(four_by_four), cleanup(no_machine)]).

%   No offsets hold in all combinations, but each has some.

tangled :-
    small,
    fourth.

small :-
    request(near, 1, 1, [0], "G 3 24 3\n", 0, _),
    request(near, 2, 3, [2, 3, 0], "G 5 12 5\nG 6 36 6\nG 11 24 11\n", 0, _).

fourth :-
    request(near, 4, 4, [2, 1, 3, 0], "G 4 24 4\nG 1 24 1\nG 6 24 6\n", 0, _).

test(combinations_have_offsets_of_their_own, [cleanup(no_placements), Scopes == [separate]]) :-
    tangled,
    next_schedules(1, Combinations, _),
    findall(Scope, ( member(Combination, Combinations), schedule(Combination, _, how(Scope, _, _, _)) ), Scopes0),
    sort(Scopes0, Scopes).

test(what_is_left_when_one_goes_keeps_its_offsets, [cleanup(no_placements), Before == After]) :-
    tangled,
    current_combination([1, 2, 4], Now),
    schedule(Now, Slots, _),
    exclude(of_first, Slots, Before),
    release(1),
    current_combination([2, 4], Left),
    schedule(Left, After, _).

of_first(slot(1, _, _, _, _)).

test(too_many_combinations_are_refused,
     [ cleanup(no_placements),
       Text == "no offsets hold in all 576 combinations of phases, and schedules of their own are derived for 256 at most"
     ]) :-
    small,
    forall(member(Domain, [5, 6, 7]), request(near, Domain, 1, [0], "B 1\nB 2\nB 3\nH 0.001 24", 0, _)),
    catch(( fourth, fail ), error(placement_error(Text), _), true).

:- end_tests(separate_schedules).
