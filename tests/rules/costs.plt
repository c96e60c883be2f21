:- encoding(utf8).
:- use_module('../../rules/skb').
:- use_module(library(plunit)).

:- begin_tests(costs, [setup(machine), cleanup(store:forget_machine)]).

machine :-
    store:forget_machine,
    store:load_facts(boot, [cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 1, 0, 0)]),
    store:load_facts(a_priori, [cost(context_switch, 7, us, "this test")]).

test(a_stated_cost_is_used, all(Value-Source == [7-"this test"])) :-
    costs:cost_of(context_switch, Value, us, Source).
test(a_cost_that_is_not_stated_has_a_default_with_its_source, [true(Value == 1463), nondet]) :-
    costs:cost_of(lmp, Value, cycles, Source),
    sub_string(Source, _, _, _, "table 2.4").
test(every_default_names_its_source) :-
    forall(costs:cost_of(_, Value, Unit, Source),
           ( number(Value), Value > 0, atom(Unit), string_length(Source, Length), Length > 5 )).
test(a_line_moves_sooner_within_a_package, all(To-Cycles == [1-75, 2-160])) :-
    costs:line_transfer(0, To, Cycles).

:- end_tests(costs).

:- begin_tests(lines, [setup(three_packages), cleanup(store:forget_machine)]).

%   Three packages in a row; the first has two cores that share a cache and one that shares none.

three_packages :-
    store:forget_machine,
    store:load_facts(boot, [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 0, 2, 0),
                             cpu_thread(3, 1, 0, 0), cpu_thread(4, 2, 0, 0) ]),
    store:load_facts(a_priori,
                     [ ht_link(0, 1), ht_link(1, 2), cache_share(0, 1, 3),
                       cost(line_shared_cache, 20, cycles, "this test"),
                       cost(line_next_hop, 5.6, cycles, "this test") ]).

test(a_line_moves_soonest_within_a_cache_and_last_over_most_links, all(To-Cycles == [1-20, 2-75, 3-160, 4-166])) :-
    costs:line_transfer(0, To, Cycles).

:- end_tests(lines).
