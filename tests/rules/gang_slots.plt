:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/store').
:- use_module('../../rules/placement').
:- use_module('../../rules/combinations').
:- use_module('../../rules/schedules').

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

cores(Policy, Domain, Count, Text, Cores) :-
    request(Policy, Domain, Count, any, Text, 0, answer(_, _, placement(Policy, _, Assignments, _))),
    findall(Core, member(assignment(_, Core, _), Assignments), Cores).

empty(Domain, Empty) :-
    component(Domain, Domains),
    current_combination(Domains, Now),
    schedule(Now, _, how(_, _, Empty, _)).

:- begin_tests(gang_pack, [setup(four_by_four), cleanup(no_machine)]).

test(a_row_is_filled_before_the_next_begins, [cleanup(no_placements), Cores == [10, 11, 12, 13, 14, 15]]) :-
    cores(gang_pack, 1, 10, "G 20 80 20", _),
    cores(gang_pack, 2, 8, "G 20 80 20", _),
    cores(gang_pack, 3, 6, "G 20 80 20", Cores).

%   Sizes 10, 8, 6, 8 fill two rows of 16; whoever only looks for the least loaded core takes three.

test(fewest_slots_stay_empty, [cleanup(no_placements), forall(member(Policy-Expected, [gang_pack-0, load_balance-16])), true(Empty == Expected)]) :-
    forall(nth1(Domain, [10, 8, 6, 8], Count), cores(Policy, Domain, Count, "G 20 80 20", _)),
    empty(1, Empty).

test(who_waits_sits_beside_who_computes, [cleanup(( no_placements, retract_fact(io_share(_, _)) )), Cores == [0, 1, 2, 3, 4, 5, 6, 7]]) :-
    assert_fact(io_share(network, 80)),
    request(gang_pack, 1, 8, [0, 1, 2, 3, 4, 5, 6, 7], "group compute\nG 30 80 30", 0, _),
    request(gang_pack, 2, 8, [8, 9, 10, 11, 12, 13, 14, 15], "group network\nG 30 80 30", 0, _),
    cores(gang_pack, 3, 8, "group network\nG 30 80 30", Cores).

test(who_computes_sits_beside_who_waits, [cleanup(( no_placements, retract_fact(io_share(_, _)) )), Cores == [8, 9, 10, 11, 12, 13, 14, 15]]) :-
    assert_fact(io_share(network, 80)),
    request(gang_pack, 1, 8, [0, 1, 2, 3, 4, 5, 6, 7], "group compute\nG 30 80 30", 0, _),
    request(gang_pack, 2, 8, [8, 9, 10, 11, 12, 13, 14, 15], "group network\nG 30 80 30", 0, _),
    cores(gang_pack, 3, 8, "group compute\nG 30 80 30", Cores).

test(best_effort_fills_what_is_left, [cleanup(no_placements), Cores == [4, 5]]) :-
    request(gang_pack, 1, 4, [0, 1, 2, 3], "G 30 80 30", 0, _),
    request(gang_pack, 2, 10, [6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "G 10 80 10", 0, _),
    cores(gang_pack, 3, 2, none, Cores).

test(what_fits_nowhere_shrinks, [cleanup(no_placements), Wcets == [45000000]]) :-
    cores(gang_pack, 1, 16, "G 50 100 50", _),
    cores(gang_pack, 2, 16, "G 50 100 50", _),
    findall(Wcet, facts:granted(_, _, _, gang(Wcet, _, _, _), _), Wcets0),
    sort(Wcets0, Wcets).

:- end_tests(gang_pack).
