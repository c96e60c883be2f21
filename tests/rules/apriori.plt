:- encoding(utf8).
:- use_module('../../rules/skb').
:- use_module('../../rules/apriori').
:- use_module(library(plunit)).

:- begin_tests(apriori).

test(facts_come_with_their_lines, Facts == [1-ht_link(0, 1), 3-ht_link(1, 2)]) :-
    apriori:read_facts("facts.pl", "ht_link(0, 1).\n% a remark\nht_link(1, 2).\n", Facts).
test(a_rule_is_no_fact, throws(error(in_file("facts.pl", 2, error(no_fact(_), _)), _))) :-
    apriori:read_facts("facts.pl", "ht_link(0, 1).\np :- q.\n", _).
test(a_machine_replaces_the_one_before_it, Links == [2-3]) :-
    apriori:load_machine([boot-[nr_running_cores(4)]], "facts.pl", "ht_link(0, 1).\n"),
    apriori:load_machine([], "facts.pl", "ht_link(2, 3).\n"),
    findall(A-B, facts:ht_link(A, B), Links),
    \+ facts:nr_running_cores(_).
test(a_refused_machine_changes_nothing, Links == [0-1]) :-
    apriori:load_machine([], "facts.pl", "ht_link(0, 1).\n"),
    catch(apriori:load_machine([boot-[nr_running_cores(4)]], "facts.pl", "ht_link(2, 3).\nht_lnk(4, 5).\n"),
          error(in_file(_, Line, _), _), true),
    assertion(Line == 2),
    findall(A-B, facts:ht_link(A, B), Links).

:- end_tests(apriori).
