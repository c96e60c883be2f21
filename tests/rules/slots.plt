:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(random)).
:- use_module('../../rules/slots').

:- begin_tests(slots).

one(Domain, Task, domain(Domain, [[Task]])).

test(side_by_side) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)]]), domain(2, [[task(30, 80, 30, 30)]])]).

test(ten_too_early, Overload == due(50, 60)) :-
    overload([domain(1, [[task(30, 80, 30, 0)]]), domain(2, [[task(30, 80, 30, 20)]])], 1, Overload).

test(a_loose_task_may_come_at_the_worst_time, fail) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)]]), domain(2, [[task(30, 80, 30, loose)]])]).

test(a_loose_task_that_can_wait) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)]]), domain(2, [[task(30, 80, 60, loose)]])]).

test(who_has_no_place_yet_does_not_count) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)]]), domain(2, [[task(30, 80, 30, _)]])]).

test(phases_of_a_domain_never_meet) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)], [task(40, 80, 40, 0)]])]).

test(every_phase_of_another_does, fail) :-
    column_fits([domain(1, [[task(30, 80, 30, 0)], [task(40, 80, 40, 0)]]), domain(2, [[task(20, 80, 20, 30)]])]).

test(the_reserve_is_kept, Overload == rate(1, 9r10)) :-
    overload([domain(1, [[task(40, 80, 40, 0)]]), domain(2, [[task(40, 80, 40, 40)]])], 1, Overload).

test(what_takes_too_long_to_tell_is_refused, Overload == long(11998)) :-
    overload([domain(1, [[task(1, 5999, 1, 0)]]), domain(2, [[task(1, 6000, 1, 2)]])], 1, Overload0),
    Overload0 = long(Jobs),
    Overload = long(Jobs0),
    Jobs0 is Jobs - 1.

test(the_factor_of_full_slots, Factor == 9r10) :-
    column_factor([domain(1, [[task(40, 80, 40, 0)]]), domain(2, [[task(40, 80, 40, 40)]])], 1, Factor).

test(the_factor_of_slots_that_meet, Factor == 3r4) :-
    column_factor([domain(1, [[task(40, 80, 40, 0)]]), domain(2, [[task(40, 80, 40, 20)]])], 1, Factor).

%   The oracle: EDF of unit steps, for every combination of phases and every alignment of the loose tasks.

feasible(Column) :-
    forall(combination(Column, Tasks), always_met(Tasks)).

combination([], []).
combination([domain(_, Phases)|Domains], Tasks) :-
    member(Own, Phases),
    combination(Domains, Others),
    append(Own, Others, Tasks).

always_met(Tasks) :-
    forall(aligned(Tasks, Known), met(Known)).

aligned([], []).
aligned([task(W, P, D, Offset)|Tasks], [task(W, P, D, Known)|Rest]) :-
    (   Offset == loose
    ->  Last is P - 1,
        between(0, Last, Known)
    ;   Known = Offset
    ),
    aligned(Tasks, Rest).

met(Tasks) :-
    foldl(multiple, Tasks, 1, Hyperperiod),
    End is 3 * Hyperperiod,
    edf(0, End, Tasks, []).

multiple(task(_, P, _, _), H0, H) :-
    H is lcm(H0, P).

edf(End, End, _, _) :- !.
edf(Now, End, Tasks, Jobs0) :-
    findall(Due-W, ( member(task(W, P, D, O), Tasks), Now >= O, (Now - O) mod P =:= 0, Due is Now + D ), New),
    append(New, Jobs0, Jobs1),
    msort(Jobs1, Jobs),
    (   Jobs = [Due-Left|Rest]
    ->  Due > Now,
        Left1 is Left - 1,
        ( Left1 > 0 -> Next = [Due-Left1|Rest] ; Next = Rest )
    ;   Next = []
    ),
    Then is Now + 1,
    edf(Then, End, Tasks, Next).

random_column(Column) :-
    random_between(1, 3, Count),
    findall(domain(Domain, Phases),
            ( between(1, Count, Domain),
              random_between(1, 2, PhaseCount),
              findall(Tasks,
                      ( between(1, PhaseCount, _),
                        random_between(0, 2, TaskCount),
                        findall(Task, ( between(1, TaskCount, _), random_task(Task) ), Tasks)
                      ),
                      Phases)
            ),
            Column).

random_task(task(W, P, D, Offset)) :-
    random_member(P, [4, 6, 8, 12]),
    random_between(1, P, D),
    Most is min(3, D),
    random_between(1, Most, W),
    Last is P - 1,
    random_between(0, Last, Known),
    random_member(Offset, [Known, Known, Known, loose]).

test(what_fits_is_what_edf_schedules,
     [setup(set_random(seed(5))), forall(between(1, 300, _)), true(Fits == Feasible)]) :-
    random_column(Column),
    column_rate(Column, Rate),
    ( column_fits(Column) -> Fits = yes ; Fits = no ),
    ( Rate =< 9r10, feasible(Column) -> Feasible = yes ; Feasible = no ).

:- end_tests(slots).
