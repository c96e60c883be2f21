:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(random)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/multicast').

cores_in(tree(Core, Subtrees), Cores) :-
    findall(Each, ( member(Tree, Subtrees), cores_in(Tree, Below), member(Each, Below) ), Rest),
    sort([Core|Rest], Cores),
    length([Core|Rest], Count),
    length(Cores, Count).               % nobody is sent to twice

:- begin_tests(multicast, [setup(four_by_four), cleanup(no_machine)]).

test(a_tree_reaches_each_core_once, Cores == All) :-
    numlist(0, 15, All),
    multicast_tree(5, All, Tree),
    cores_in(Tree, Cores).
test(nobody_else_is_sent_to, Cores == [0, 3, 9]) :-
    multicast_tree(0, [3, 9], Tree),
    cores_in(Tree, Cores).
test(to_nobody_it_costs_nothing, Cost =:= 0) :-
    multicast_tree(0, [0], tree(0, [])),
    multicast_cost(tree(0, []), Cost).

%   One send: 448 cycles until it arrives and 75 to fetch the line, at 2.5 GHz.

test(one_send_takes_latency_and_fetch, Cost =:= (448 + 75) / 2.5) :-
    multicast_tree(0, [1], Tree),
    multicast_cost(Tree, Cost).
test(the_next_send_waits_for_the_one_before, Sends == [send(0, 2, 0, 209.2), send(0, 1, 30, 239.2)]) :-
    multicast_sends(tree(0, [tree(2, []), tree(1, [])]), Sends).
test(what_ends_last_is_sent_first, Last = tree(_, [])) :-
    numlist(0, 15, All),
    multicast_tree(0, All, tree(0, [tree(First, [_|_])|Subtrees])),
    First >= 4,                         % on another package, and passed on there
    last(Subtrees, Last).
test(the_table_of_costs, Costs == [unicast, by_package, passed_on, multicast_tree]) :-
    numlist(0, 15, All),
    findall(Method, broadcast_cost(0, All, Method, _), Costs).
test(a_tree_costs_no_more_than_what_it_is_chosen_from) :-
    numlist(0, 15, All),
    forall(member(Root, All),
           ( broadcast_cost(Root, All, multicast_tree, Cost),
             forall(( member(Method, [unicast, by_package, passed_on]), broadcast_cost(Root, All, Method, Other) ),
                    Cost =< Other)
           )), !.
test(the_best_tree_of_any_five_cores_is_at_most_a_tenth_better) :-
    numlist(0, 15, All),
    set_random(seed(7)),
    forall(between(1, 20, _),
           ( random_permutation(All, [Root, A, B, C, D|_]),
             broadcast_cost(Root, [A, B, C, D], best, Least),
             broadcast_cost(Root, [A, B, C, D], multicast_tree, Cost),
             Least =< Cost,
             Cost =< 1.1 * Least
           )), !.
test(measured_latencies_decide, Leader == 7) :-
    setup_call_cleanup(
        forall(member(A, [4, 5, 6]), assert_fact(core_latency(0, A, 2000, cycles))),
        multicast_tree(0, [4, 5, 6, 7], tree(0, [tree(Leader, _)|_])),
        retract_fact(core_latency(_, _, 2000, cycles))).
test(a_core_that_is_not_there_has_no_tree, fail) :-
    multicast_tree(0, [99], _).

:- end_tests(multicast).
