:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module('../../rules/store').
:- use_module('../../rules/clocks').
:- use_module(fixture).

:- begin_tests(clocks, [cleanup(no_machine)]).

%   That machine, and what else is said of it.

machine(Facts) :-
    four_by_four,
    load_facts(a_priori, Facts).

test(counters_that_agree, [setup(machine([])), true(Clock == tsc)]) :-
    reference_clock(Clock).

test(counters_that_do_not, [setup(machine([tsc_offset(1, 500)])), true(Clock == pit)]) :-
    reference_clock(Clock).

test(one_that_is_ahead_of_all_is_no_better, [setup(machine([tsc_offset(0, -7)])), true(Clock == pit)]) :-
    reference_clock(Clock).

test(no_memory_in_common, [setup(machine([message_buffer(0, 8192, 32)])), true(Clocks-Named == messages-[messages])]) :-
    reference_clock(Clocks),
    findall(Clock, clock_error(Clock, _), Named).

test(the_tsc_is_best_and_messages_are_better_than_the_pit, [setup(machine([])), nondet]) :-
    clock_error(tsc, Tsc),
    clock_error(messages, Messages),
    clock_error(pit, Pit),
    assertion(Tsc < Messages),
    assertion(Messages < Pit).

test(counters_are_as_bad_as_they_disagree, [setup(machine([tsc_offset(0, -200), tsc_offset(1, 300)])), nondet]) :-
    clock_error(tsc, Error),
    assertion(Error >= 500).

test(no_drift_nothing_to_do, [setup(machine([])), fail]) :-
    timers_in_step(tsc, 10, [0-0, 1-3], [0-0, 1-0]),
    resynchronise_after(_).

test(so_often_that_they_stay_within_a_context_switch, [setup(machine([cost(context_switch, 4, us, "")])), true(Ns == 25_000_000)]) :-
    timers_in_step(tsc, 10, [0-0, 1-3], [0-(-30_000), 1-50_000]),
    resynchronise_after(Ns).

test(what_they_drift_meanwhile_is_part_of_the_error, [setup(machine([cost(context_switch, 4, us, "")])), true(Errors == [10, 4010])]) :-
    timers_in_step(tsc, 10, [], []),
    clock_error(Still),
    timers_in_step(tsc, 10, [], [1-50]),
    clock_error(Drifting),
    Errors = [Still, Drifting].

:- end_tests(clocks).
