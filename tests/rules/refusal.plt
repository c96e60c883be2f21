:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/refusal').

:- begin_tests(refusal).

test(a_refusal_is_an_error_with_its_figures, throws(error(placement_error("2 cores, 3 asked"), _))) :-
    refuse("~w cores, ~w asked", [2, 3]).

share(0, "0.0 %").
share(1r3, "33.3 %").
share(0.5, "50.0 %").
share(1, "100.0 %").

test(a_share_is_told_in_percent, [forall(share(Share, Text)), true(Told == Text)]) :-
    percent(Share, Told0),
    text_to_string(Told0, Told).

numbers([], '').
numbers([7], '7').
numbers([0, 1, 2, 3, 8], '0-3,8').
numbers([0, 2, 4], '0,2,4').
numbers([3, 4, 6, 7, 9], '3-4,6-7,9').

test(ascending_numbers_are_told_as_ranges, [forall(numbers(Numbers, Text)), true(Told == Text)]) :-
    ranges_text(Numbers, Told).
test(ranges_say_all_numbers_and_no_others, forall(between(1, 50, Seed))) :-
    X is Seed * 7919,
    findall(N, ( between(0, 40, N), (X >> (N mod 17)) /\ 1 =:= 1, (N * Seed) mod 3 > 0 ), Numbers),
    ranges_text(Numbers, Text),
    said(Text, Said),
    Said == Numbers.

said('', []) :- !.
said(Text, Numbers) :-
    atomic_list_concat(Parts, ',', Text),
    findall(N, ( member(Part, Parts), part(Part, N) ), Numbers).

part(Part, N) :-
    atomic_list_concat(Ends, '-', Part),
    maplist(atom_number, Ends, Bounds),
    nth0(0, Bounds, First),
    last(Bounds, Last),
    between(First, Last, N).

:- end_tests(refusal).
