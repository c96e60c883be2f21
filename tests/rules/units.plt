:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/skb').
:- use_module('../../rules/units').

:- begin_tests(units).

asked("distance(0, 12, D)", ['D'-cycles]).
asked("distance(0, 4, D), distance_ns(0, 4, Ns)", ['D'-cycles, 'Ns'-ns]).
asked("distance(A, B, D)", ['D'-cycles]).                       % a core's number has no unit
asked("findall(S, cache_of(0, 3, S, _), Ss)", ['S'-'B']).       % of a list nothing is said
asked("( load(0, X) ; load(1, X) )", ['X'-'%']).
asked("forall(clock_hz(C, H), H > 0)", ['H'-'Hz']).
asked("core(C)", []).
asked("distance(0, 4, X), Y = X", ['X'-cycles]).                % what is computed has none
asked("true", []).

test(a_variable_has_the_unit_of_its_place, [forall(asked(Text, Units)), true(Found == Units)]) :-
    string_concat(Text, " .", Goal),
    units_of_question(Goal, Found0),
    msort(Found0, Found).
test(the_first_place_decides, true(Units == ['X'-cycles])) :-
    units_of_question("distance(0, 4, X), distance_ns(0, 4, X) .", Units).

:- end_tests(units).
