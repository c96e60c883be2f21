:- encoding(utf8).
:- use_module('../../rules/bridge').
:- use_module('../../rules/skb').
:- use_module(library(plunit)).

:- begin_tests(bridge).

asked(Goal, Answers, Reply) :-
    bridge:cross(Goal, "", Answers, 1000000, "user", 0, Reply).

test(an_answer_is_an_object_a_solution, true(sub_string(Reply, 0, _, _, "[\"ok\",[{\"X\":1},{\"X\":\"a\"}],false"))) :-
    asked("member(X, [1, a])\n .", -1, Reply).
test(more_answers_than_asked_for_are_told_of, true(sub_string(Reply, _, _, _, "],true,"))) :-
    asked("between(1, 5, X)\n .", 2, Reply).
test(values_are_bound_by_name, true(sub_string(Reply, _, _, _, "{\"Y\":8}"))) :-
    bridge:cross("Y is X + 1\n .", "['X'=7]", 1, 1000000, "user", 0, Reply).
test(a_goal_that_fails_has_no_answer, true(sub_string(Reply, 0, _, _, "[\"ok\",[],false"))) :-
    asked("fail\n .", 1, Reply).
test(an_error_is_a_reply, true(sub_string(Reply, 0, _, _, "[\"error\",\"existence\",\"no predicate none_such/0"))) :-
    asked("none_such\n .", 1, Reply).
test(a_loop_is_a_reply, true(sub_string(Reply, _, _, _, "stopped after 1,000,000 inferences"))) :-
    asked("repeat, fail\n .", 1, Reply).
test(output_is_a_part_of_the_reply, true(sub_string(Reply, _, _, _, "\"said\""))) :-
    asked("write(said)\n .", 1, Reply).
test(what_is_wrong_with_a_file_is_noted, Notes = [note('m.pl', 1, warning, _)|_]) :-
    bridge:consult_file('m.pl', bridge_test, false, "loose(Single, 2).\n", Notes).

test(a_boxed_goal_touches_nothing, true(sub_string(Reply, 0, _, _, "[\"error\",\"permission\""))) :-
    bridge:cross("shell('true')\n .", "", 1, 1000000, "skb", 1, Reply).
test(a_boxed_goal_asks_the_vocabulary, true(sub_string(Reply, 0, _, _, "[\"ok\",[],false"))) :-
    bridge:cross("core(X), hops(X, _, 1), findall(Y, shares_cache(X, Y, 3), _)\n .", "", 1, 1000000, "skb", 1, Reply).

:- end_tests(bridge).
