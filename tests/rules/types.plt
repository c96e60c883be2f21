:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/types').

:- begin_tests(types).

right(core, 0).
right(core, 4095).
right(address, 0xffffffffffffffff).
right(percent, 0).
right(percent, 100.0).
right(number, -1.5).
right(int, -3).
right(flag, 1).
right(atom, a).
right(text, "a").
right(text, a).
right(list, [_]).
right(cache_type, unified).
right(addr, addr(0, 31, 7)).
right(addr, addr(1, 0, 31, 7)).
right(oneof([ns, cycles]), ns).
right(label(id), 3).
right(term, f(a)).
right(pattern, f(_)).

wrong(core, -1).
wrong(core, 1.0).
wrong(core, a).
wrong(core, _).
wrong(address, 0x10000000000000000).
wrong(percent, 100.5).
wrong(percent, -1).
wrong(number, 1.0e30).
wrong(number, a).
wrong(int, 0x10000000000000000).
wrong(flag, 2).
wrong(atom, "a").
wrong(list, [a|_]).
wrong(cache_type, shared).
wrong(addr, addr(0, 31)).
wrong(addr, addr(0, -1, 7)).
wrong(oneof([ns, cycles]), us).
wrong(oneof([ns, cycles]), _).
wrong(label(id), a).
wrong(term, f(_)).
wrong(pattern, _).

test(a_value_of_the_type_is_taken, forall(right(Type, Value))) :-
    once(has_type(Type, Value)).
test(any_other_is_not, [forall(wrong(Type, Value)), fail]) :-
    has_type(Type, Value).
test(every_type_has_words, forall(( right(Type, _) ; natural(Type, _) ))) :-
    type_text(Type, Text),
    string_length(Text, Length),
    Length > 3.
test(words_name_the_choices, true(Text == "one of ns, cycles")) :-
    type_text(oneof([ns, cycles]), Text).
test(a_label_is_told_as_what_it_labels, true(Text == "a core's number")) :-
    type_text(label(core), Text).
test(quantities_have_units, all(Type-Unit == [ bits-bit, bytes-'B', hertz-'Hz', cycles-cycles, nanoseconds-ns,
                                               picoseconds-ps, megabytes_per_second-'MB/s', percent-'%' ])) :-
    unit(Type, Unit),
    atom(Type).
test(a_label_of_a_quantity_has_its_unit, all(Unit == [ns])) :-
    unit(label(nanoseconds), Unit).

:- end_tests(types).
