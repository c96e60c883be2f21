:- use_module('../../rules/skb').
:- use_module('fixture').
:- use_module(library(plunit)).

:- begin_tests(replacing, [setup(four_by_four), cleanup(store:forget_machine)]).

anew(Goal) :-
    snapshot(once(Goal)).

test(who_is_as_well_off_stays, Moves == []) :-
    anew(( placement:request(load_balance, 1, 16, any, none, 0, _),
           replacing:replace(load_balance, answer(_, Moves)) )).
test(who_shares_a_core_moves_to_an_idle_one, From-To-Gain == 0-5-1000000000) :-
    anew(( placement:request(load_balance, 1, 16, any, none, 0, _),
           vacating:vacate(5, _),
           vacating:restore(5),
           replacing:replace(load_balance, answer(_, [moved(1, _, From, To, Gain, _, [best_effort(1)])])) )).
test(once_is_enough, Moves == []) :-
    anew(( placement:request(load_balance, 1, 16, any, none, 0, _),
           vacating:vacate(5, _),
           vacating:restore(5),
           replacing:replace(load_balance, _),
           replacing:replace(load_balance, answer(_, Moves)) )).
test(who_is_pinned_or_has_been_promised_time_stays, Moves == []) :-
    anew(( placement:request(load_balance, 1, 2, [0], none, 0, _),
           placement:request(load_balance, 2, 1, [1], "H 10 100\n", 0, _),
           replacing:replace(load_balance, answer(_, Moves)) )).
test(a_gain_that_is_less_than_the_cost_is_none, Moves == []) :-
    anew(( store:load_facts(user, [cost(replacement_horizon, 1, us, "this test")]),
           placement:request(load_balance, 1, 16, any, none, 0, _),
           vacating:vacate(5, _),
           vacating:restore(5),
           replacing:replace(load_balance, answer(_, Moves)) )).
test(a_longer_way_costs_more) :-
    replacing:migration_cost(0, 1, Near),
    replacing:migration_cost(0, 15, Far),
    Far > Near.

:- end_tests(replacing).
