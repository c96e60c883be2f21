:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/skb').

%   Two cores of one instruction set, two of another, as the host and the card of the SCC have them.

:- begin_tests(eligibility, [setup(machine), cleanup(store:forget_machine)]).

machine :-
    store:forget_machine,
    store:load_facts(boot,
                     [ corename(0, x86_64, apic(0)), corename(1, x86_64, apic(1)), corename(2, scc, apic(2)),
                       corename(3, scc, apic(3)), cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0),
                       cpu_thread(2, 1, 0, 0), cpu_thread(3, 1, 1, 0), cost(timeslice, 1, ms, "this test") ]),
    store:load_facts(a_priori, [ht_link(0, 1)]).

refused(Goal, Text) :-
    catch(Goal, error(placement_error(Text0), _), true),
    atom_string(Text, Text0).

%   anew(:Goal): Goal, once, of which nothing stays.

anew(Goal) :-
    snapshot(once(Goal)).

test(the_architecture_tells_the_instruction_set, all(Core-Isa == [0-x86_64, 1-x86_64, 2-x86_32, 3-x86_32])) :-
    eligibility:isa_of(Core, Isa).
test(what_is_stated_wins_over_the_architecture, [Isa == armv8, cleanup(machine)]) :-
    store:load_facts(a_priori, [cpu_isa(2, armv8)]),
    once(eligibility:isa_of(2, Isa)).
test(a_program_goes_where_its_image_runs, Cores == [2, 3]) :-
    anew(( placement:request(load_balance, 1, 2, any, [x86_32], none, 0, answer(_, _, Placement)),
           Placement = placement(_, _, Assignments, _),
           findall(Core, member(assignment(_, Core, _), Assignments), Cores) )).
test(a_core_of_another_instruction_set_is_refused,
     Text == 'core 0 runs x86_64, and the image is built for x86_32') :-
    refused(placement:request(load_balance, 1, 1, [0], [x86_32], none, 0, _), Text).
test(an_image_that_no_core_runs_is_refused, Text == 'the image is built for armv8; the cores run x86_32, x86_64') :-
    refused(placement:request(load_balance, 1, 1, any, [armv8], none, 0, _), Text).
test(a_spanned_domain_keeps_to_its_image, Text == 'core 1 runs x86_64, and the image is built for x86_32') :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], none, 0, _),
           refused(placement:span(load_balance, 1, [1], _), Text) )).

:- end_tests(eligibility).

:- begin_tests(vacating, [setup(plunit_eligibility:machine), cleanup(store:forget_machine)]).

anew(Goal) :-
    snapshot(once(Goal)).

test(best_effort_goes_elsewhere_and_nothing_comes, Moves-Refusal == [move(1, 0, 1, [best_effort(1)])]-'core 0 is off line; core online 0 brings it back') :-
    anew(( placement:request(load_balance, 1, 1, any, none, 0, _),
           vacating:vacate(0, answer(_, Moves, [])),
           plunit_eligibility:refused(placement:request(load_balance, 2, 1, [0], none, 0, _), Refusal) )).
test(it_goes_where_its_image_runs, Moves == [move(1, 0, 3, [best_effort(1)])]) :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], none, 0, _),
           vacating:vacate(2, answer(_, Moves, [])) )).
test(who_has_to_stay_is_named, Text == 'core 2 stays on line: domain 2 is pinned to it') :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], "B 1\nH 5 10 10 480\n", 0, _),
           placement:request(load_balance, 2, 1, [2], none, 0, _),
           plunit_eligibility:refused(vacating:vacate(2, _), Text) )).
test(the_last_core_that_an_image_runs_on_stays, Text == 'core 2 stays on line: the image is built for x86_32; the cores run x86_64') :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], none, 0, _),
           vacating:vacate(3, answer(_, [], [])),
           plunit_eligibility:refused(vacating:vacate(2, _), Text) )).
test(real_time_goes_where_there_is_room_for_it,
     Moves == [move(1, 0, 3, [best_effort(1), hard(5000000, 10000000, 10000000, auto, 0)])]) :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], "B 1\nH 5 10\n", 0, _),
           vacating:vacate(2, answer(_, Moves, [])) )).
test(nobody_gets_less_for_it, true(sub_string(Text, 0, _, _, "core 2 stays on line: "))) :-
    anew(( placement:request(load_balance, 1, 1, any, [x86_32], "B 1\nH 5 10\n", 0, _),
           placement:request(load_balance, 2, 1, [3], any, "H 6 10 10\n", 0, _),
           plunit_eligibility:refused(vacating:vacate(2, _), Text) )).
test(the_last_core_stays, Text == 'core 3 is the last one on line') :-
    anew(( vacating:vacate(0, _), vacating:vacate(1, _), vacating:vacate(2, _),
           plunit_eligibility:refused(vacating:vacate(3, _), Text) )).
test(a_core_comes_back, Cores == [0, 1, 2, 3]) :-
    anew(( vacating:vacate(0, _), vacating:restore(0), findall(Core, eligibility:on_line(Core), Cores) )).

:- end_tests(vacating).
