:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(random)).
:- use_module(library(aggregate)).
:- use_module('../../rules/admission').

:- begin_tests(admission).

test(nothing_fits) :-
    fits([]).

test(the_reserve_is_kept_to_the_last, true) :-
    fits([demand(1, [[task(45, 100, 100)]]), demand(2, [[task(45, 100, 100)]])]).

test(a_trace_more_is_too_much, Shortfall == rate(901r1000, 9r10)) :-
    shortfall([demand(1, [[task(45, 100, 100)]]), demand(2, [[task(451, 1000, 1000)]])], Shortfall).

test(phases_of_one_domain_never_meet) :-
    fits([demand(1, [[task(80, 100, 100)], [task(90, 100, 100)]])]).

test(every_combination_of_two_domains_may_come, Shortfall == rate(1, 9r10)) :-
    shortfall([demand(1, [[], [task(50, 100, 100)]]), demand(2, [[task(50, 100, 100)], []])], Shortfall).

test(dispatchers_of_one_domain_add_up, Shortfall == rate(1, 9r10)) :-
    shortfall([demand(1, [[task(50, 100, 100), task(50, 100, 100)]])], Shortfall).

test(two_slots_cannot_be_the_same_time, Shortfall == deadline(40, 80)) :-
    shortfall([demand(1, [[task(40, 160, 40)]]), demand(2, [[task(40, 160, 40)]])], Shortfall).

test(a_slot_beside_one_that_can_wait) :-
    fits([demand(1, [[task(40, 160, 40)]]), demand(2, [[task(40, 160, 160)]])]).

test(one_and_one_half_is_the_factor, Factor == 1r2) :-
    largest_factor([demand(1, [[task(40, 160, 40)]]), demand(2, [[task(40, 160, 40)]])], Factor).

test(what_fits_keeps_its_time, Factor == 1) :-
    largest_factor([demand(1, [[task(90, 100, 100)]])], Factor).

test(rates_give_the_factor, Factor == 3r5) :-
    largest_factor([demand(1, [[task(75, 100, 100)]]), demand(2, [[task(75, 100, 100)]])], Factor).

test(the_heaviest_phase, Utilisation-Phase == 1r2-2) :-
    demand_utilisation(demand(1, [[], [task(1, 4, 4)], [task(1, 2, 2)], [task(2, 4, 4)]]), Utilisation, Phase).

test(soft_and_best_effort_are_not_admitted, Tasks == [[], [], [task(1, 3, 2)], [task(1, 3, 2)]]) :-
    findall(Each,
            ( member(Parameters, [best_effort(1), soft(1, 2), hard(1, 3, 2, 0), gang(1, 3, 2, 0)]),
              phase_tasks(Parameters, Each)
            ),
            Tasks).

%   The oracle: EDF on one core, a unit of time at a time, over twice the hyperperiod, for every
%   combination of phases with all released at once.

feasible(Demands) :-
    forall(combination(Demands, Tasks), edf_meets_all(Tasks)).

combination([], []).
combination([demand(_, Phases)|Demands], Tasks) :-
    member(Own, Phases),
    combination(Demands, Others),
    append(Own, Others, Tasks).

edf_meets_all(Tasks) :-
    foldl([task(_, P, _), L0, L]>>(L is lcm(L0, P)), Tasks, 1, Hyperperiod),
    End is 2 * Hyperperiod,
    edf(0, End, Tasks, []).

edf(End, End, _, _) :- !.
edf(Now, End, Tasks, Jobs0) :-
    findall(Due-W, ( member(task(W, P, D), Tasks), Now mod P =:= 0, Due is Now + D ), New),
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

random_demands(Demands) :-
    random_between(1, 3, Count),
    findall(demand(Domain, Phases),
            ( between(1, Count, Domain), random_phases(Phases) ),
            Demands).

random_phases(Phases) :-
    random_between(1, 2, Count),
    findall(Tasks,
            ( between(1, Count, _),
              random_between(0, 2, TaskCount),
              findall(Task, ( between(1, TaskCount, _), random_task(Task) ), Tasks)
            ),
            Phases).

random_task(task(Wcet, Period, Deadline)) :-
    random_member(Period, [4, 6, 8, 12]),
    random_between(1, Period, Deadline),
    Most is min(3, Deadline),
    random_between(1, Most, Wcet).

below_capacity(Demands) :-
    demands_utilisation(Demands, Utilisation),
    Utilisation =< 9r10.

test(what_is_admitted_is_what_edf_schedules,
     [setup(set_random(seed(1))), forall(between(1, 400, _)), true(Admitted == Feasible)]) :-
    random_demands(Demands),
    ( fits(Demands) -> Admitted = yes ; Admitted = no ),
    ( below_capacity(Demands), feasible(Demands) -> Feasible = yes ; Feasible = no ).

scaled(Demands0, Factor, Demands) :-
    findall(demand(Domain, Phases),
            ( member(demand(Domain, Phases0), Demands0),
              findall(Tasks,
                      ( member(Tasks0, Phases0),
                        findall(task(W, P, D), ( member(task(W0, P, D), Tasks0), W is W0 * Factor ), Tasks)
                      ),
                      Phases)
            ),
            Demands).

test(the_factor_is_the_largest,
     [setup(set_random(seed(2))), forall(between(1, 300, _)), true]) :-
    random_demands(Demands),
    largest_factor(Demands, Factor),
    Factor =< 1,
    scaled(Demands, Factor, Shrunk),
    fits(Shrunk),
    (   Factor =:= 1
    ->  true
    ;   More is Factor * 1000001 rdiv 1000000,
        scaled(Demands, More, Larger),
        \+ fits(Larger)
    ).

:- end_tests(admission).
