:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/combinations').
:- use_module('../../rules/placement').

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

placed(Domain, Cores, Text) :-
    length(Cores, Count),
    request(load_balance, Domain, Count, Cores, Text, 0, _).

:- begin_tests(combinations, [setup(four_by_four), cleanup(no_machine)]).

test(domains_that_share_a_core_in_a_row_are_one_component, [cleanup(no_placements), Domains == [1, 2, 3]]) :-
    placed(1, [0, 1], "G 10 100 20"),
    placed(2, [1, 2], "G 10 100 20"),
    placed(3, [2], "B 1\nH 10 100"),
    placed(4, [3], "H 10 100"),
    component(3, Domains).

test(best_effort_concerns_nobody, [cleanup(no_placements), Components-Alone == [[1], [3]]-[2]]) :-
    placed(1, [0], "H 10 100"),
    placed(2, [0, 1], "B 1\nB 2"),
    placed(3, [1], "H 10 100"),
    components(Components),
    component(2, Alone).

test(who_is_placed_nowhere_has_no_component, fail) :-
    component(7, _).

test(one_change_away_comes_before_two,
     [ cleanup(no_placements),
       Combinations == [ [1-1, 2-0], [1-0, 2-0], [1-1, 2-1], [1-1, 2-2], [1-0, 2-1], [1-0, 2-2] ]
     ]) :-
    placed(1, [0], "B 1\nH 10 100"),
    placed(2, [0], "B 1\nH 20 100\nH 10 50"),
    change_phase(1, 1),
    next_combinations([1, 2], Combinations).

test(all_of_them_come_once, [cleanup(no_placements), Sorted == All]) :-
    forall(between(1, 4, Domain), placed(Domain, [0], "B 1\nH 10 100\nH 5 50")),
    next_combinations([1, 2, 3, 4], Combinations),
    msort(Combinations, Sorted),
    findall(Combination, combination([1, 2, 3, 4], Combination), All),
    length(All, 81).

test(there_is_a_bound, [cleanup(no_placements), Length == 256]) :-
    forall(between(1, 9, Domain), placed(Domain, [0], "B 1\nH 5 100")),
    numlist(1, 9, Domains),
    next_combinations(Domains, Combinations),
    length(Combinations, Length).

:- end_tests(combinations).
