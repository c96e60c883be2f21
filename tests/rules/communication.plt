:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/placement').
:- use_module('../../rules/topology').
:- use_module('../../rules/skb', []).
:- use_module('../../rules/communication').

%   On the 4x4-core machine a message takes 179.2 ns within a package, 218 ns over one hop, 223.2 ns over two
%   (fixture.pl).

ring(N, Traffic) :-
    Last is N - 1,
    findall(traffic(A, B, 1), ( between(0, Last, A), B is (A + 1) mod N ), Traffic).

everybody(N, Traffic) :-
    Last is N - 1,
    findall(traffic(A, B, 1), ( between(0, Last, A), between(0, Last, B), A \== B ), Traffic).

said(Goal, Text) :-
    catch(( call(Goal), Text = none ), error(communication_error(Text), _), true).

packages_of(Dispatchers, Layout, Packages) :-
    findall(Package, ( member(D, Dispatchers), memberchk(D-Core, Layout), package_of(Core, Package) ), Packages0),
    sort(Packages0, Packages).

layout_of(Domain, Layout) :-
    findall(Dispatcher-Core, facts:allocation(Domain, Dispatcher, Core), Layout0),
    sort(Layout0, Layout).

:- begin_tests(communication, [setup(four_by_four), cleanup(no_machine)]).

test(a_layout_costs_weight_times_latency, Cost =:= 3 * 218.0 + 2 * 179.2) :-
    layout_cost([traffic(a, b, 3), traffic(b, c, 2)], [a-0, b-4, c-5], Cost).
test(messages_within_a_core_go_by_lmp, Cost =:= 1463 / 2.5) :-
    layout_cost([traffic(0, 1, 1)], [0-7, 1-7], Cost).
test(traffic_said_twice_adds_up, Cost =:= 4 * 179.2) :-
    layout_cost([traffic(0, 1, 1), traffic(0, 1, 3)], [0-0, 1-1], Cost).
test(who_says_nothing_costs_nothing, Cost =:= 0) :-
    layout_cost([], [0-0], Cost).

test(four_that_talk_share_a_package, Found-Bound-Count == exact-Cost-1) :-
    everybody(4, Traffic),
    least_layout(Traffic, any, plan(Layout, Cost, Bound, Found)),
    packages_of([0, 1, 2, 3], Layout, Packages),
    length(Packages, Count).
test(a_ring_of_eight_crosses_twice, true(abs(Cost - (6 * 179.2 + 2 * 218)) < 0.001)) :-
    ring(8, Traffic),
    least_layout(Traffic, any, plan(_, Cost, _, exact)).
test(a_ring_of_sixteen_crosses_four_times, true(abs(Cost - (12 * 179.2 + 4 * 218)) < 0.001)) :-
    ring(16, Traffic),
    least_layout(Traffic, any, plan(_, Cost, Bound, repair)),
    assertion(Bound =< Cost).
test(two_pairs_of_strangers_need_not_be_near, Cost =:= 2 * 179.2) :-
    least_layout([traffic(a, b, 1), traffic(c, d, 1)], any, plan(_, Cost, _, exact)).
test(only_the_cores_named_are_taken, Layout == [0-3, 1-4]) :-
    least_layout([traffic(0, 1, 1)], [4, 3], plan(Layout, _, _, exact)).
test(of_twenty_on_sixteen_cores_no_three_share_one, true(Most =< 2)) :-
    everybody(20, Traffic),
    least_layout(Traffic, any, plan(Layout, _, _, repair)),
    assertion(length(Layout, 20)),
    findall(Count, ( between(0, 15, Core), aggregate_all(count, member(_-Core, Layout), Count) ), Counts),
    max_list(Counts, Most).
test(the_cost_of_a_plan_is_that_of_its_layout, Cost =:= Again) :-
    least_layout([traffic(0, 1, 2.5), traffic(1, 2, 0.25)], any, plan(Layout, Cost, _, _)),
    layout_cost([traffic(0, 1, 2.5), traffic(1, 2, 0.25)], Layout, Again).
test(equal_questions_have_equal_answers, A == B) :-
    ring(12, Traffic),
    least_layout(Traffic, any, 100000, A),
    least_layout(Traffic, any, 100000, B).
test(without_a_step_to_go_there_is_a_layout, Length == 12) :-
    ring(12, Traffic),
    least_layout(Traffic, any, 0, plan(Layout, _, _, repair)),
    length(Layout, Length).
test(a_measured_latency_draws_dispatchers_there, Cores == [2, 9]) :-
    setup_call_cleanup(
        ( assert_fact(core_latency(2, 9, 10, cycles)), assert_fact(core_latency(9, 2, 10, cycles)) ),
        least_layout([traffic(0, 1, 1)], any, plan([_-A, _-B], _, _, exact)),
        ( retract_fact(core_latency(2, 9, 10, cycles)), retract_fact(core_latency(9, 2, 10, cycles)) )),
    msort([A, B], Cores).
test(a_direction_that_is_quicker_is_used, Layout == [0-9, 1-2]) :-
    setup_call_cleanup(
        assert_fact(core_latency(9, 2, 10, cycles)),
        least_layout([traffic(0, 1, 5), traffic(1, 0, 1)], any, plan(Layout, _, _, exact)),
        retract_fact(core_latency(9, 2, 10, cycles))).

%   -- what is no question

test(no_traffic, Text == "no traffic; expected traffic(From, To, Weight), at least one") :-
    said(least_layout([], any, _), Text).
test(a_negative_weight, Text == "traffic(0,1,-3): a weight is a number of at least 0") :-
    said(least_layout([traffic(0, 1, -3)], any, _), Text).
test(no_weight, Text == "traffic(0,1,much): a weight is a number of at least 0") :-
    said(least_layout([traffic(0, 1, much)], any, _), Text).
test(a_monologue, Text == "traffic(4,4,1): a dispatcher sends no messages to itself") :-
    said(least_layout([traffic(4, 4, 1)], any, _), Text).
test(something_else, Text == "traffic is a list of traffic(From, To, Weight), found hops(1,2) in it") :-
    said(least_layout([hops(1, 2)], any, _), Text).
test(no_list, Text == "traffic is a list of traffic(From, To, Weight), found ring") :-
    said(layout_cost(ring, [], _), Text).
test(a_core_that_is_not_there, Text == "no core 99; the machine has 16, 0 to 15") :-
    said(least_layout([traffic(0, 1, 1)], [3, 99], _), Text).
test(a_core_that_is_not_there_in_a_layout, Text == "no core 16; the machine has 16, 0 to 15") :-
    said(layout_cost([traffic(0, 1, 1)], [0-3, 1-16], _), Text).
test(no_cores, Text == "no cores to lay out on") :-
    said(least_layout([traffic(0, 1, 1)], [], _), Text).
test(no_machine, [setup(no_machine), cleanup(four_by_four), Text == "no cores to lay out on"]) :-
    said(least_layout([traffic(0, 1, 1)], any, _), Text).
test(a_dispatcher_without_core, Text == "traffic(0,1,1): dispatcher 1 has no core in the layout") :-
    said(layout_cost([traffic(0, 1, 1)], [0-3], _), Text).
test(a_dispatcher_in_two_places, Text == "the layout has dispatcher 0 twice, on core 3 and on core 4") :-
    said(layout_cost([traffic(0, 1, 1)], [0-3, 0-4, 1-5], _), Text).
test(steps_are_counted, Text == "many steps; expected an integer of at least 0") :-
    said(least_layout([traffic(0, 1, 1)], any, many, _), Text).

%   -- the policy

test(what_is_not_said_is_everybody_to_everybody, [cleanup(release(1)), Count == 1]) :-
    request(least_communication, 1, 4, any, none, 0, _),
    layout_of(1, Layout),
    packages_of([0, 1, 2, 3], Layout, Packages),
    length(Packages, Count).
test(those_that_talk_share_a_package, [cleanup(( release(1), retract_fact(traffic(_, _, _, _)) )), Counts == [1, 1, 1, 1]]) :-
    forall(member(A-B, [0-5, 1-6, 2-7, 3-4]), assert_fact(traffic(main, A, B, 10))),
    request(least_communication, 1, 8, any, none, 0, _),
    layout_of(1, Layout),
    findall(Count,
            ( member(Pair, [[0, 5], [1, 6], [2, 7], [3, 4]]), packages_of(Pair, Layout, Packages), length(Packages, Count) ),
            Counts).
test(traffic_is_that_of_the_group, [cleanup(( release(1), retract_fact(traffic(_, _, _, _)) )), Count == 1]) :-
    assert_fact(traffic(pipe, 0, 15, 10)),
    assert_fact(traffic(main, 0, 1, 1000)),
    request(least_communication, 1, 16, any, "group pipe\nB 1\n", 0, _),
    layout_of(1, Layout),
    packages_of([0, 15], Layout, Packages),
    length(Packages, Count).
test(the_next_domain_goes_to_idle_cores, [cleanup(( release(1), release(2) )), Shared == []]) :-
    request(least_communication, 1, 6, any, none, 0, _),
    request(least_communication, 2, 10, any, none, 0, _),
    findall(Core, ( facts:allocation(1, _, Core), facts:allocation(2, _, Core) ), Shared).
test(costs_add_up_to_that_of_the_layout, [cleanup(release(1)), true(abs(Cost - Layout) < 0.001)]) :-
    request(least_communication, 1, 6, any, none, 0, answer(_, _, placement(_, Cost, _, _))),
    layout_of(1, Where),
    everybody(6, Traffic),
    layout_cost(Traffic, Where, Layout).
test(more_dispatchers_than_cores_find_a_place, [cleanup(release(1)), Length == 40]) :-
    request(least_communication, 1, 40, any, none, 0, _),
    layout_of(1, Layout),
    length(Layout, Length).
test(one_dispatcher_finds_a_place, [cleanup(release(1)), Cores == [0]]) :-
    request(least_communication, 1, 1, any, none, 0, _),
    findall(Core, facts:allocation(1, _, Core), Cores).
test(the_same_request_takes_as_much, A == B) :-
    request(least_communication, 1, 7, any, none, 0, _),
    release(1),
    request(least_communication, 1, 7, any, none, 0, A),
    release(1),
    request(least_communication, 1, 7, any, none, 0, B),
    release(1).

:- end_tests(communication).
