:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/skb').

%   A user who measures states the figures: they are believed before those of the machine's folder.

:- begin_tests(measurement, [setup(machine), cleanup(store:forget_machine)]).

machine :-
    store:forget_machine,
    findall(cpu_thread(Core, 0, Core, 0), between(0, 3, Core), Threads),
    store:load_facts(boot, Threads),
    store:load_facts(measured, [core_latency(0, 1, 448, cycles), core_latency(0, 2, 450, cycles),
                                core_latency(0, 3, 700, cycles)]),
    store:load_facts(a_priori, [core_latency(0, 3, 460, cycles)]).

measures(Core, Cycles) :-
    format(string(Text), "core_latency(0, ~w, ~w, cycles).~nmessage_rate(0, ~w, 3.5).~n", [Core, Cycles, Core]),
    apriori:state_facts(measure, Text).

forgets :-
    store:forget_machine,
    machine.

test(what_was_said_a_priori_wins_over_older_measurements, Cycles == 460) :-
    distance:distance(0, 3, Cycles).
test(who_measures_now_is_believed_before_both, [cleanup(forgets), all(Core-Cycles == [1-900, 2-450, 3-470])]) :-
    measures(1, 900),
    measures(3, 470),
    member(Core, [1, 2, 3]),
    distance:distance(0, Core, Cycles).
test(measured_anew_it_is_the_newest_that_counts, [cleanup(forgets), Cycles == 300]) :-
    measures(1, 900),
    measures(1, 300),
    distance:distance(0, 1, Cycles).
test(who_is_near_changes_with_what_was_measured, [cleanup(forgets), Before-After == [1, 2, 3]-[2, 3, 1]]) :-
    distance:nearest_cores(0, Before),
    measures(1, 900),
    distance:nearest_cores(0, After).
test(a_rate_is_a_fact_of_its_own, [cleanup(forgets), all(Rate-Source == [3.5-user])]) :-
    measures(1, 900),
    facts:message_rate(0, 1, Rate),
    store:fact_source(message_rate(0, 1, Rate), Source).
test(a_rate_between_two_cores_needs_a_core, error(_)) :-
    apriori:state_facts(measure, "message_rate(0, here, 3.5).\n").
test(of_figures_that_are_wrong_in_part_none_is_taken, Cycles == 448) :-
    catch(apriori:state_facts(measure, "core_latency(0, 1, 900, cycles).\nmessage_rate(0, here, 3.5).\n"), _, true),
    distance:distance(0, 1, Cycles).

:- end_tests(measurement).
