:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/store').
:- use_module('../../rules/manifest').

parameters(Text, Parameters) :-
    parse_manifest(Text, [group(main, rest, Parameters)]).

:- begin_tests(parse).

test(figure_3_4, Parameters == [best_effort(1), hard(80000000, 160000000, 80000000, 480000000)]) :-
    parameters("# Best-effort phase with scheduling priority of 1\nB 1\n# Deterministic scheduling\n\c
                # WCET period deadline release time\nH 80 160 80 480\n",
               Parameters).

test(the_deadline_is_the_period, Parameters == [hard(1000000, 4000000, 4000000, auto)]) :-
    parameters("H 1 4", Parameters).

test(the_system_picks_the_release, Parameters == [gang(1000000, 4000000, 2000000, auto)]) :-
    parameters("G 1 4 2", Parameters).

test(auto_may_be_written, Parameters == [gang(1000000, 4000000, 2000000, auto)]) :-
    parameters("G 1 4 2 auto", Parameters).

test(a_release_may_be_at_once, Parameters == [hard(1000000, 4000000, 2000000, 0)]) :-
    parameters("H 1 4 2 0", Parameters).

test(soft_real_time, Parameters == [soft(10000000, 40000000)]) :-
    parameters("S 10 40", Parameters).

test(decimals, Parameters == [hard(500000, 1250000, 1000001, 333333)]) :-
    parameters("H 0.5 1.25 1.000001 0.333333", Parameters).

test(zeros_may_follow, Parameters == [soft(500000, 1000000)]) :-
    parameters("S 0.50000000 1.0000000", Parameters).

test(blanks_comments_and_line_ends, Parameters == [best_effort(2), soft(1000000, 2000000)]) :-
    parameters("\r\n\t B   2 # two\r\n   # nothing\r\n\nS 1\t2#tight\r\n\n", Parameters).

test(no_newline_at_the_end, Parameters == [best_effort(3)]) :-
    parameters("B 3", Parameters).

test(equal_times, Parameters == [hard(2000000, 2000000, 2000000, auto)]) :-
    parameters("H 2 2 2", Parameters).

test(groups,
     Groups == [group(compute, [0, 1, 2, 3, 7], [gang(1000000, 2000000, 2000000, auto)]),
                group(network, rest, [best_effort(1), best_effort(2)])]) :-
    parse_manifest("group compute 0-3,7\nG 1 2\ngroup network\nB 1\nB 2\n", Groups).

test(phases_before_any_group_are_of_main, Groups == [group(main, rest, [best_effort(1)]), group(b, [1], [best_effort(2)])]) :-
    parse_manifest("B 1\ngroup b 1\nB 2\n", Groups).

%   Where a manifest is wrong, and what was expected there.

mistake("", 1, 1, "an empty manifest; expected a phase such as B 1").
mistake("# nothing\n\n", 3, 1, "an empty manifest; expected a phase such as B 1").
mistake("B", 1, 3, "expected the weight, found the end of the line").
mistake("B 0", 1, 3, "the weight must be at least 1").
mistake("B -1", 1, 3, "expected the weight (an integer of at least 1), found '-1'").
mistake("B 1.5", 1, 3, "expected the weight (an integer of at least 1), found '1.5'").
mistake("B one", 1, 3, "expected the weight (an integer of at least 1), found 'one'").
mistake("B 1 2", 1, 5, "expected the end of the line, found '2'").
mistake("B 1\n\n  X 1", 3, 3, "expected B, H, G, S or group, found 'X'").
mistake("b 1", 1, 1, "expected B, H, G, S or group, found 'b'").
mistake("H", 1, 3, "expected the WCET in ms, found the end of the line").
mistake("H 80 # period?", 1, 6, "expected the period in ms, found the end of the line").
mistake("B 1\nH 80 x", 2, 6, "expected the period in ms, found 'x'").
mistake("H 80ms 160", 1, 3, "expected the WCET in ms, found '80ms'").
mistake("H 1e1 160", 1, 3, "expected the WCET in ms, found '1e1'").
mistake("H .5 160", 1, 3, "expected the WCET in ms, found '.5'").
mistake("H 5. 160", 1, 3, "expected the WCET in ms, found '5.'").
mistake("H -80 160", 1, 3, "expected the WCET in ms, found the negative '-80'").
mistake("H 0 160", 1, 3, "the WCET must be more than 0 ms").
mistake("H 0.0 160", 1, 3, "the WCET must be more than 0 ms").
mistake("H 80 0", 1, 6, "the period must be more than 0 ms").
mistake("H 80 60", 1, 6, "the WCET (80 ms) is longer than the period (60 ms)").
mistake("H 80 160 79.5", 1, 10, "the WCET (80 ms) is longer than the deadline (79.5 ms)").
mistake("H 80 160 161", 1, 10, "the deadline (161 ms) is longer than the period (160 ms)").
mistake("H 80 160 80 soon", 1, 13, "expected the release in ms, or auto, found 'soon'").
mistake("H 80 160 80 -1", 1, 13, "expected the release in ms, or auto, found the negative '-1'").
mistake("H 80 160 80 480 0", 1, 17, "expected the end of the line, found '0'").
mistake("S 10 40 40", 1, 9, "expected the end of the line, found '40'").
mistake("S 41 40", 1, 6, "the WCET (41 ms) is longer than the period (40 ms)").
mistake("S 0.0000001 40", 1, 3, "times are no finer than 1 ns, found '0.0000001'").
mistake("group", 1, 7, "expected the name of the group, found the end of the line").
mistake("group a\n", 1, 1, "group a has no phase; expected one such as B 1").
mistake("B 1\ngroup a\ngroup b\nB 1", 2, 1, "group a has no phase; expected one such as B 1").
mistake("group a\nB 1\n group a\nB 1", 3, 2, "there is a group a already, in line 1").
mistake("group a 3-1\nB 1", 1, 9, "expected numbers of dispatchers such as 0-3,7, found '3-1'").
mistake("group a 0-2\nB 1\ngroup b 2\nB 1", 3, 1, "dispatcher 2 is in group a already").

test(mistakes, [forall(mistake(Text, Line, Column, What)), throws(error(manifest_error(Line, Column, What), _))]) :-
    parse_manifest(Text, _).

test(what_was_written_can_be_read,
     [forall(( member(W, [1, 7, 40]), member(P, [40, 80]), member(D, [40, 80]), D =< P )), Parameters == Expected]) :-
    format(string(Text), "H ~w ~w ~w 480", [W, P, D]),
    Expected = [hard(Wcet, Period, Deadline, 480000000)],
    Wcet is W * 1000000, Period is P * 1000000, Deadline is D * 1000000,
    parameters(Text, Parameters).

:- end_tests(parse).

:- begin_tests(groups).

test(all_dispatchers_are_of_the_only_group, Members == [main-[0, 1, 2]]) :-
    group_members([group(main, rest, [])], 3, Members).

test(the_rest_is_shared_evenly_in_order, Members == [a-[1, 2], b-[0, 5], c-[3, 4]]) :-
    group_members([group(a, rest, []), group(b, [0, 5], []), group(c, rest, [])], 6, Members).

test(the_first_groups_get_one_more, Members == [a-[0, 1], b-[2, 3], c-[4]]) :-
    group_members([group(a, rest, []), group(b, rest, []), group(c, rest, [])], 5, Members).

test(dispatchers_that_are_not_there_are_nowhere, Members == [a-[0, 1], b-[]]) :-
    group_members([group(a, rest, []), group(b, [7], [])], 2, Members).

test(the_longest_group_has_the_phases, Count == 2) :-
    phase_count([group(a, rest, [x]), group(b, rest, [x, y])], Count).

test(times_in_words, all(Text == ["80 ms", "0.5 ms", "1.000001 ms", "0 ms"])) :-
    member(Ns, [80000000, 500000, 1000001, 0]),
    ms_text(Ns, Text).

:- end_tests(groups).

:- begin_tests(submit, [setup(forget_machine), cleanup(forget_machine)]).

test(numbers_are_core_and_index, [cleanup(forget_machine), A-B-C == 196608-196609-0]) :-
    submit(3, "B 1", A),
    submit(3, "B 1", B),
    submit(0, "B 1", C).

test(a_submitted_manifest_is_known, [cleanup(forget_machine), all(Phase-Parameters == [0-best_effort(1), 1-soft(1000000, 2000000)])]) :-
    submit(0, "B 1\nS 1 2", Id),
    facts:manifest_group(Id, main, rest),
    facts:manifest_phase(Id, Phase, main, Parameters).

test(a_wrong_one_leaves_nothing, [cleanup(forget_machine), fail]) :-
    catch(submit(0, "B 1\nB x", _), _, true),
    facts:manifest(_).

test(a_number_may_be_free_again, [cleanup(forget_machine), Id == 65536]) :-
    submit(1, "B 1", First),
    submit(1, "B 1", _),
    withdraw(placement, manifest(First)),
    submit(1, "B 1", Id).

test(eight_are_not_the_limit, [cleanup(forget_machine), Count == 20]) :-
    forall(between(1, 20, _), submit(1, "B 1", _)),
    aggregate_all(count, facts:manifest(_), Count).

:- end_tests(submit).
