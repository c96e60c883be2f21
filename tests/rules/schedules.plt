:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/store').
:- use_module('../../rules/combinations').
:- use_module('../../rules/placement').
:- use_module('../../rules/schedules').

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

placed(Domain, Cores, Text) :-
    length(Cores, Count),
    request(near, Domain, Count, Cores, Text, 0, _).

%   offsets(+Combination, -Offsets): in ms, by domain.

offsets(Combination, Offsets) :-
    schedule(Combination, Slots, _),
    findall(Domain-Ms, ( member(slot(Domain, _, _, _, Ns), Slots), Ms is Ns // 1000000 ), Offsets0),
    sort(Offsets0, Offsets).

refusal(Goal, Text) :-
    catch(( Goal, fail ), error(placement_error(Text), _), true).

:- begin_tests(schedules, [setup(four_by_four), cleanup(no_machine)]).

test(two_gangs_run_side_by_side, [cleanup(no_placements), Offsets-How == [1-0, 2-30]-how(static, greedy, 0, 0)]) :-
    placed(1, [0, 1, 2, 3], "G 30 80 30"),
    placed(2, [0, 1, 2, 3], "G 30 80 30"),
    offsets([1-0, 2-0], Offsets),
    schedule([1-0, 2-0], _, How).

test(a_schedule_names_every_dispatcher,
     [ cleanup(no_placements),
       Slots == [ slot(1, 0, 0, gang(30000000, 80000000, 30000000, auto), 0),
                  slot(1, 1, 1, gang(30000000, 80000000, 30000000, auto), 0),
                  slot(2, 0, 1, best_effort(1), 0)
                ]
     ]) :-
    placed(1, [0, 1], "G 30 80 30"),
    placed(2, [1], "B 1\nG 30 80 30"),
    schedule([1-0, 2-0], Slots, _).

test(nobody_moves_when_another_changes_its_phase, [cleanup(no_placements), Offsets == [50, 50, 50]]) :-
    placed(1, [0], "B 1\nG 30 80 30\nG 50 80 50"),
    placed(2, [0], "B 1\nG 20 80 20"),
    findall(Offset, ( member(Phase, [0, 1, 2]), offsets([1-Phase, 2-1], Pairs), memberchk(2-Offset, Pairs) ), Offsets).

test(who_runs_stays_where_it_is, [cleanup(no_placements), Offsets == [1-0, 2-20, 3-40]]) :-
    placed(1, [0], "G 20 80 20"),
    placed(2, [0], "G 20 80 20"),
    placed(3, [0], "G 20 80 20"),
    offsets([1-0, 2-0, 3-0], Offsets).

test(a_gap_is_filled_and_nobody_moves, [cleanup(no_placements), Offsets == [1-0, 3-40, 4-20]]) :-
    placed(1, [0], "G 20 80 20"),
    placed(2, [0], "G 20 80 20"),
    placed(3, [0], "G 20 80 20"),
    release(2),
    placed(4, [0], "G 20 80 20"),
    offsets([1-0, 3-0, 4-0], Offsets).

test(releases_that_are_told_have_no_offset, [cleanup(no_placements), Slots == [slot(1, 0, 5, hard(1000000, 2000000, 2000000, 0), 0)]]) :-
    placed(1, [5], "H 1 2 2 0"),
    schedule([1-0], Slots, how(static, none, 0, 0)).

test(different_periods_share_by_their_common_divisor, [cleanup(no_placements), Offsets == [1-0, 2-20]]) :-
    placed(1, [0], "G 20 80 20"),
    placed(2, [0], "G 20 40 20"),
    offsets([1-0, 2-0], Offsets).

test(a_combination_has_every_domain, [cleanup(no_placements), Text == "a combination has a phase of each domain of a component: of [1,2], not [1]"]) :-
    placed(1, [0], "H 1 10"),
    placed(2, [0], "H 1 10"),
    refusal(schedule([1-0], _, _), Text).

test(there_is_no_such_phase, [cleanup(no_placements), Text == "domain 1 has no phase 3"]) :-
    placed(1, [0], "H 1 10"),
    refusal(schedule([1-3], _, _), Text).

test(nobody_there, Text == "domain 4 is placed nowhere") :-
    refusal(schedule([4-0], _, _), Text).

:- end_tests(schedules).
