:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(aggregate)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/store').
:- use_module('../../rules/manifest').
:- use_module('../../rules/policy').
:- use_module('../../rules/load').
:- use_module('../../rules/admission').
:- use_module('../../rules/requests').
:- use_module('../../rules/choosing', [last_warning/1]).
:- use_module('../../rules/placement').

%   cores(+Policy, +Domain, +Count, +Text, -Cores): the cores that a domain gets, in order of dispatchers.

cores(Policy, Domain, Count, Text, Cores) :-
    request(Policy, Domain, Count, any, Text, 0, answer(_, _, placement(_, _, Assignments, _))),
    findall(Core, member(assignment(_, Core, _), Assignments), Cores).

granted(Domain, Phase, All) :-
    findall(Parameters, facts:granted(Domain, _, Phase, Parameters, _), All0),
    sort(All0, All).

knowledge(Facts) :-
    findall(Fact-Source, fact_source(Fact, Source), Facts0),
    msort(Facts0, Facts).

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

:- begin_tests(placement, [setup(four_by_four), cleanup(no_machine)]).

test(idle_cores_come_first_by_number, [cleanup(no_placements), A-B == [0, 1, 2, 3]-[4, 5]]) :-
    cores(load_balance, 1, 4, none, A),
    cores(load_balance, 2, 2, none, B).

test(a_full_machine_is_filled_evenly, [cleanup(no_placements), Counts == [2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]) :-
    cores(load_balance, 1, 20, none, Cores),
    findall(Count, ( between(0, 15, Core), aggregate_all(count, member(Core, Cores), Count) ), Counts).

test(without_a_manifest_best_effort, [cleanup(no_placements), Phases == [best_effort(1)]]) :-
    request(load_balance, 1, 1, any, none, 0, answer(none, _, placement(_, _, [assignment(0, 0, Phases)], []))).

test(a_decision_is_stated_as_facts,
     [cleanup(no_placements), Facts == [1-0-0, 1-1-1]-[65536]-[0]-[gang(80000000, 160000000, 80000000, 480000000)]]) :-
    request(load_balance, 1, 2, any, "B 1\nG 80 160 80 480", 1, _),
    findall(Domain-Dispatcher-Core, facts:allocation(Domain, Dispatcher, Core), Allocations),
    findall(Manifest, facts:domain_manifest(1, Manifest), Manifests),
    findall(Phase, facts:domain_phase(1, Phase), Phases),
    granted(1, 1, Granted),
    Facts = Allocations-Manifests-Phases-Granted.

test(the_source_of_decisions_is_placement, [cleanup(no_placements), all(Source == [placement])]) :-
    cores(load_balance, 1, 1, none, _),
    fact_source(allocation(1, 0, _), Source).

test(a_gang_sits_on_distinct_cores, [cleanup(no_placements), Distinct == 16]) :-
    cores(load_balance, 1, 16, "G 80 160 80", Cores),
    sort(Cores, Sorted),
    length(Sorted, Distinct).

test(a_gang_has_the_same_times, [cleanup(no_placements), All == [gang(80000000, 160000000, 80000000, auto)]]) :-
    cores(load_balance, 1, 16, "G 80 160 80", _),
    granted(1, 0, All).

test(a_gang_avoids_cores_that_are_taken, [cleanup(no_placements), Cores == [4, 5, 6, 7]]) :-
    cores(load_balance, 1, 4, "G 80 160 80", _),
    cores(load_balance, 2, 4, "G 80 160 80", Cores).

test(domains_of_one_core_share_it_by_phases, [cleanup(no_placements), Granted == [hard(50000000, 100000000, 100000000, 0)]]) :-
    request(load_balance, 1, 1, [3], "B 1\nH 40 100 100 0", 0, _),
    request(load_balance, 2, 1, [3], "H 50 100 100 0", 0, _),
    granted(2, 0, Granted).

test(a_shortage_is_shared_equally,
     [ cleanup(no_placements),
       Granted-Changes == [hard(45000000, 100000000, 100000000, 0)]-[hard(45000000, 100000000, 100000000, 0)]-
                          [changed(1, 0, 3, [best_effort(1), hard(45000000, 100000000, 100000000, 0, 0)])]
     ]) :-
    request(load_balance, 1, 1, [3], "B 1\nH 75 100 100 0", 0, _),
    request(load_balance, 2, 1, [3], "H 75 100 100 0", 0, answer(_, _, placement(_, _, _, Changes))),
    granted(1, 1, One),
    granted(2, 0, Two),
    Granted = One-Two.

test(all_of_the_machine_shrink, [cleanup(no_placements), Granted == [hard(60000000, 100000000, 100000000, 0)]]) :-
    request(load_balance, 1, 1, [7], "H 80 100 100 0", 0, _),
    request(load_balance, 2, 1, [3], "H 80 100 100 0", 0, _),
    request(load_balance, 3, 1, [3], "H 40 100 100 0", 0, _),
    granted(1, 0, Granted).

test(whoever_was_shrunk_is_not_shrunk_more, [cleanup(no_placements), One-Two-Three == 30-30-30]) :-
    request(load_balance, 1, 1, [3], "H 60 100 100 0", 0, _),
    request(load_balance, 2, 1, [3], "H 60 100 100 0", 0, _),
    request(load_balance, 3, 1, [3], "H 60 100 100 0", 0, _),
    findall(Wcet, ( member(Domain, [1, 2, 3]), granted(Domain, 0, [hard(Ns, _, _, _)]), Wcet is Ns // 1000000 ),
            [One, Two, Three]).

test(time_that_became_free_is_given_back, [cleanup(no_placements), Granted == [hard(75000000, 100000000, 100000000, 0, 0)]]) :-
    request(load_balance, 1, 1, [3], "H 75 100 100 0", 0, _),
    request(load_balance, 2, 1, [3], "H 75 100 100 0", 0, _),
    release(2),
    request(load_balance, 3, 1, any, none, 0, answer(_, _, placement(_, _, _, Changes))),
    Changes = [changed(1, 0, 3, Granted)].

test(slots_that_coincide_shrink_too, [cleanup(no_placements), Granted == [gang(20000000, 160000000, 40000000, 0)]]) :-
    request(load_balance, 1, 2, [0, 1], "G 40 160 40 0", 0, _),
    request(load_balance, 2, 2, [1, 2], "G 40 160 40 0", 0, _),
    granted(1, 0, Granted).

test(nothing_shrinks_to_nothing, [cleanup(no_placements), throws(error(placement_error(_), _))]) :-
    request(load_balance, 1, 1, [0], "H 0.005 0.01", 0, _),
    request(load_balance, 2, 1, [0], "H 0.005 0.01", 0, _),
    request(load_balance, 3, 1, [0], "H 0.005 0.01", 0, _).

test(near_refuses_with_figures,
     [ cleanup(no_placements),
       Text == "core 3 is over-committed: the domain asks for 50.0 % in phase 1, 15.0 % is left (domain 1 has 75.0 % in phase 0, 10.0 % is kept for best effort)"
     ]) :-
    request(near, 1, 1, [3], "H 75 100", 0, _),
    refusal(request(near, 2, 1, [3], "B 1\nH 50 100", 0, _), Text).

test(deadlines_are_refused_with_figures,
     [ cleanup(no_placements),
       Text == "core 0 cannot meet all deadlines: 80 ms are due within 40 ms when the releases of domain 1, the domain coincide"
     ]) :-
    request(near, 1, 1, [0], "H 40 160 40 0", 0, _),
    refusal(request(near, 2, 1, [0], "H 40 160 40 0", 0, _), Text).

test(no_room_anywhere_names_the_best,
     [ cleanup(no_placements),
       Text == "no core has room for dispatcher 0: core 5 is over-committed: the domain asks for 60.0 % in phase 0, 50.0 % is left (domain 2 has 40.0 % in phase 0, 10.0 % is kept for best effort)"
     ]) :-
    findall(Core, ( between(0, 15, Core), Core \== 5 ), Others),
    request(near, 1, 15, Others, "H 50 100", 0, _),
    request(near, 2, 1, [5], "H 40 100", 0, _),
    refusal(request(near, 3, 1, any, "H 60 100", 0, _), Text).

refusal(Goal, Text) :-
    catch(( Goal, fail ), error(placement_error(Text), _), true).

%   What is refused, and in what words.

refused(request(load_balance, 9, 17, any, "G 1 2", 0, _),
        "the gang main has 17 members, and the machine 16 cores; members of a gang need distinct cores").
refused(request(load_balance, 9, 2, [0, 99], none, 0, _), "no core 99; cores are 0-15").
refused(request(load_balance, 9, 2, [-1], none, 0, _), "no core -1; cores are 0-15").
refused(request(load_balance, 9, 2, [], none, 0, _), "an empty list of cores").
refused(request(load_balance, 9, 0, any, none, 0, _), "a domain has at least 1 dispatcher, not 0").
refused(request(load_balance, 1, 1, any, none, 0, _), "domain 1 is placed already").
refused(request(load_balance, 9, 3, [0, 1], "H 1 100", 0, _),
        "3 dispatchers with real-time phases need as many cores, not 2").
refused(request(load_balance, 9, 2, [4, 4], "G 1 100", 0, _),
        "dispatchers 0 and 1 of the gang main are both on core 4; members of a gang need distinct cores").
refused(request(near, 9, 2, [4, 4], "H 60 100", 0, _),
        "core 4 is over-committed: the domain asks for 120.0 % in phase 0, 90.0 % is left (10.0 % is kept for best effort)").
refused(change_phase(9, 0), "domain 9 is not placed").
refused(change_phase(1, 5), "domain 1 has no phase 5").

test(what_is_refused_changes_nothing,
     [setup(request(load_balance, 1, 4, any, none, 0, _)), cleanup(no_placements), forall(refused(Goal, Expected)),
      true(Text-After == Expected-Before)]) :-
    knowledge(Before),
    refusal(Goal, Text),
    knowledge(After).

test(a_wrong_manifest_changes_nothing, [cleanup(no_placements), true(After == Before)]) :-
    knowledge(Before),
    catch(request(load_balance, 1, 1, any, "B 1\nB x", 0, _), error(manifest_error(2, 3, _), _), true),
    knowledge(After).

test(an_unknown_policy_is_refused, throws(error(policy_error("no policy best; there are big_first, gang_pack, least_communication, load_balance, near, pack, partition, scatter"), _))) :-
    request(best, 1, 1, any, none, 0, _).

test(no_machine_no_placement,
     [setup(forget_machine), cleanup(four_by_four), Text == "there are no cores; load a machine"]) :-
    refusal(request(load_balance, 1, 1, any, none, 0, _), Text).

test(given_cores_are_taken_in_order, [cleanup(no_placements), Cores == [5, 3, 5, 3, 5]]) :-
    request(load_balance, 1, 5, [5, 3], none, 0, answer(_, _, placement(_, _, Assignments, _))),
    findall(Core, member(assignment(_, Core, _), Assignments), Cores).

test(more_cores_may_be_given_than_needed, [cleanup(no_placements), Cores == [9, 8]]) :-
    request(load_balance, 1, 2, [9, 8, 7], "G 1 2", 0, answer(_, _, placement(_, _, Assignments, _))),
    findall(Core, member(assignment(_, Core, _), Assignments), Cores).

test(released_domains_leave_nothing, [cleanup(no_placements), After == Before]) :-
    knowledge(Before),
    request(load_balance, 1, 4, any, "B 1\nG 80 160", 0, _),
    release(1),
    knowledge(After).

test(releasing_nobody_does_no_harm, true) :-
    release(77).

test(a_phase_change_is_known, [cleanup(no_placements), all(Phase == [1])]) :-
    request(load_balance, 1, 4, any, "B 1\nG 80 160", 0, _),
    change_phase(1, 1),
    facts:domain_phase(1, Phase).

test(groups_ask_for_their_own,
     [ cleanup(no_placements),
       Phases == [ 0-[gang(1000000, 2000000, 2000000, auto, 0), gang(1000000, 2000000, 2000000, auto, 0)],
                   1-[gang(1000000, 2000000, 2000000, auto, 0), gang(1000000, 2000000, 2000000, auto, 0)],
                   2-[best_effort(1), best_effort(2)] ]
     ]) :-
    request(load_balance, 1, 3, any, "group compute 0-1\nG 1 2\ngroup network\nB 1\nB 2\n", 0,
            answer(_, _, placement(_, _, Assignments, _))),
    findall(Dispatcher-Each, member(assignment(Dispatcher, _, Each), Assignments), Phases).

test(the_same_question_has_the_same_answer, [forall(member(Policy, [big_first, load_balance, near, pack, partition, scatter])), A == B]) :-
    Text = "B 1\nG 20 160 40",
    request(Policy, 1, 7, any, Text, 0, A),
    release(1),
    request(Policy, 1, 7, any, Text, 0, B),
    release(1).

test(reasons_compare_costs,
     [ cleanup(no_placements),
       Reasons == [ reason(0, 0, load_balance, 0.0, [1-0.0, 2-0.0, 3-0.0], forbidden(0, 0, 0)),
                    reason(1, 1, load_balance, 0.0, [2-0.0, 3-0.0, 4-0.0], forbidden(0, 0, 1)) ]
     ]) :-
    request(load_balance, 1, 2, any, "G 1 2", 0, _),
    explain(1, Reasons).

test(room_that_lacks_is_a_reason, [cleanup(no_placements), Forbidden == forbidden(0, 15, 0)]) :-
    findall(Core, ( between(0, 15, Core), Core \== 9 ), Others),
    request(near, 1, 15, Others, "H 80 100", 0, _),
    request(near, 2, 1, any, "H 60 100", 0, _),
    explain(2, [reason(0, 9, near, _, [], Forbidden)]).

test(the_users_word_is_a_reason, [cleanup(no_placements), all(Policy == [given])]) :-
    request(load_balance, 1, 1, [5], none, 0, _),
    explain(1, [reason(0, 5, Policy, _, _, _)]).

test(nobody_has_no_reasons, fail) :-
    explain(77, _).

:- end_tests(placement).

:- begin_tests(load, [setup(four_by_four), cleanup(no_machine)]).

test(an_idle_core_has_none, Load == 0.0) :-
    load(3, Load).

test(best_effort_counts_by_weight, [cleanup(no_placements), A-B == 100.0-300.0]) :-
    request(load_balance, 1, 1, [0], none, 0, _),
    request(load_balance, 2, 1, [1], "B 3", 0, _),
    load(0, A),
    load(1, B).

test(half_a_core_is_like_one_more_dispatcher, [cleanup(no_placements), Load == 100.0]) :-
    request(load_balance, 1, 1, [0], "H 50 100", 0, _),
    load(0, Load).

test(the_heaviest_phase_counts, [cleanup(no_placements), Load == 300.0]) :-
    request(load_balance, 1, 1, [0], "B 1\nH 75 100", 0, _),
    load(0, Load).

test(what_others_take_counts, [cleanup(retract_fact(core_load(_, _))), Load == 100.0]) :-
    assert_fact(core_load(0, 50)),
    load(0, Load).

test(who_sits_where_others_work_is_avoided, [cleanup((no_placements, retract_fact(core_load(_, _)))), Cores == [1, 2]]) :-
    assert_fact(core_load(0, 50)),
    cores(load_balance, 1, 2, none, Cores).

test(utilisation_is_of_the_worst_combination, [cleanup(no_placements), Utilisation =:= 0.75]) :-
    request(load_balance, 1, 1, [0], "B 1\nH 50 100", 0, _),
    request(load_balance, 2, 1, [0], "H 25 100\nB 1", 0, _),
    utilisation(0, Utilisation).

test(load_without_a_core_enumerates, Count == 16) :-
    aggregate_all(count, load(_, 0.0), Count).

:- end_tests(load).

:- begin_tests(policies, [setup(four_by_four), cleanup(no_machine)]).

%   Two domains of six dispatchers, one after the other.

places(load_balance, [0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]).
places(near, [0, 1, 2, 3, 4, 5], [8, 9, 10, 11, 12, 13]).
places(pack, [0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]).
places(scatter, [0, 4, 8, 12, 1, 5], [2, 6, 9, 13, 3, 7]).

test(places, [forall(places(Policy, First, Second)), cleanup(no_placements), A-B == First-Second]) :-
    cores(Policy, 1, 6, none, A),
    cores(Policy, 2, 6, none, B).

test(near_looks_for_a_quiet_package, [cleanup(no_placements), Cores == [4, 5, 6, 7]]) :-
    request(near, 1, 1, [0], none, 0, _),
    request(near, 2, 1, [8], none, 0, _),
    request(near, 3, 1, [12], none, 0, _),
    cores(near, 4, 4, none, Cores).

test(pack_leaves_packages_idle, [cleanup(no_placements), Cores == [9, 10, 11]]) :-
    request(pack, 1, 1, [8], none, 0, _),
    cores(pack, 2, 3, none, Cores).

test(siblings_of_idle_cores_come_first, [setup(two_threads), cleanup(four_by_four), A-B == [0, 2]-[1, 3]]) :-
    cores(load_balance, 1, 2, none, A),
    cores(load_balance, 2, 2, none, B).

two_threads :-
    forget_machine,
    load_facts(cpuid, [ cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 0, 1),
                        cpu_thread(2, 0, 1, 0), cpu_thread(3, 0, 1, 1) ]).

%   Users' own policies.

policy_file(Lines, File) :-
    tmp_file_stream(File, Out, [extension(pl), encoding(utf8)]),
    forall(member(Line, Lines), format(Out, "~w~n", [Line])),
    close(Out).

test(five_lines_are_a_policy, [cleanup(no_placements), Cores == [15, 14, 13]]) :-
    policy_file([":- policy(backwards, \"the last core first\").",
                 "cost(_, Core, Cost) :- load(Core, Load), Cost is Load - Core."], File),
    load_policy(File, backwards),
    cores(backwards, 1, 3, none, Cores).

test(the_example_of_the_documentation_works, [cleanup(no_placements), Cores == [0, 1, 2, 3, 4]]) :-
    policy_file([":- policy(close, \"one package, least loaded first\").",
                 "cost(Dispatcher, Core, Cost) :-",
                 "    load(Core, Load), spread(Dispatcher, Core, Hops),",
                 "    Cost is Load + 10*Hops."], File),
    load_policy(File, close),
    cores(close, 1, 5, none, Cores).

test(cores_may_be_forbidden, [cleanup(no_placements), Cores-Forbidden == [8, 9]-forbidden(8, 0, 0)]) :-
    policy_file([":- policy(upper, \"the upper half\").",
                 "cost(_, Core, Load) :- Core >= 8, load(Core, Load)."], File),
    load_policy(File, upper),
    cores(upper, 1, 2, none, Cores),
    explain(1, [reason(0, 8, _, _, _, Forbidden)|_]).

test(a_policy_may_take_the_whole_decision, [cleanup(no_placements), Cores == [7, 7, 7]]) :-
    policy_file([":- policy(seven, \"core 7\").",
                 "place(Dispatchers, _, Placement) :- findall(D-7, member(D, Dispatchers), Placement)."], File),
    load_policy(File, seven),
    cores(seven, 1, 3, none, Cores).

%   What a policy does instead of deciding: the default one decides, and the warning says why.

bad("cost(_, Core, 0) :- Core < 0.", "cost/3 forbids every core to dispatcher 0").
bad("cost(_, _, much).", "cost(0, 0, Cost) gives much, no number").
bad("cost(_, _, _).", "cost(0, 0, Cost) gives _, no number").
bad("cost(_, _, Cost) :- Cost is nan.", "cost(0, 0, Cost) gives 1.5NaN, no number").
bad("cost(_, _, Cost) :- member(Cost, [1, 2]).", "cost(0, 0, Cost) gives 1 and 2").
bad("cost(_, _, Cost) :- Cost is 1/0.",
    "cost(0, Core, Cost) went wrong: //2: Arithmetic: evaluation error: `zero_divisor'").
bad("cost(_, _, 0) :- repeat, fail.", "cost(0, Core, Cost) took more than 50,000,000 inferences").
bad("shortage(maybe). cost(_, _, 0).", "shortage(S) gives maybe, neither reduce nor refuse").
bad("place(_, _, _) :- fail.", "place/3 fails").
bad("place(_, _, _) :- repeat, fail.", "place/3 took more than 50,000,000 inferences").
bad("place(_, _, _).", "place/3 gives no list of Dispatcher-Core").
bad("place(_, _, everywhere).", "place/3 gives no list of Dispatcher-Core").
bad("place([D|_], [Core|_], [D-Core]).", "place/3 gives dispatcher 1 no core").
bad("place(_, _, [0-1, 0-2, 1-3]).", "place/3 gives dispatcher 0 the cores 1 and 2").
bad("place(_, _, [0-1, 1-99]).",
    "place/3 has dispatcher 1 on 99, which is none of the cores that it may have").
bad("place(_, _, [0-8, 1-8]).",
    "dispatchers 0 and 1 of the gang main are both on core 8; members of a gang need distinct cores").
bad("place(_, Cores, [0-A, 1-B]) :- member(A, Cores), member(B, Cores), A < B.", "place/3 gives two answers").

test(the_default_policy_decides_in_place_of_a_bad_one,
     [ cleanup(no_placements), forall(bad(Line, Did)),
       true(Policy-Cores-Text == load_balance-[0, 1]-Expected)
     ]) :-
    policy_file([":- policy(bad, \"no good\").", Line], File),
    load_policy(File, bad),
    request(bad, 1, 2, any, "G 1 100", 0, answer(_, _, placement(Policy, _, Assignments, _))),
    findall(Core, member(assignment(_, Core, _), Assignments), Cores),
    last_warning(Text0),
    regex_free(Text0, Text),
    format(string(Expected), "policy bad: ~w; load_balance has decided", [Did]).

%   A variable is written with a number.

regex_free(Text0, Text) :-
    (   sub_string(Text0, Before, _, After, "gives _"),
        sub_string(Text0, Comma, _, Rest, ", no number"),
        Before < Comma, After > Rest
    ->  sub_string(Text0, 0, Before, _, Front),
        sub_string(Text0, Comma, _, 0, Back),
        string_concat(Front, "gives _", Front1),
        string_concat(Front1, Back, Text)
    ;   Text = Text0
    ).

test(a_choice_point_without_another_answer_does_no_harm, [cleanup(no_placements), Cores-Text == [3]-""]) :-
    policy_file([":- policy(open, \"three\").",
                 "place(_, _, [0-Core]) :- member(Core, [3, 4]), Core < 4."], File),
    load_policy(File, open),
    cores(open, 1, 1, none, Cores),
    last_warning(Text).

test(a_good_decision_has_no_warning, [cleanup(no_placements), Text == ""]) :-
    cores(near, 1, 1, none, _),
    last_warning(Text).

test(a_policy_may_forbid_what_has_room,
     [cleanup(no_placements), throws(error(placement_error("policy eight forbids to dispatcher 0 every core that has room for it"), _))]) :-
    policy_file([":- policy(eight, \"core 8\").", "cost(_, 8, 0)."], File),
    load_policy(File, eight),
    request(eight, 1, 1, [8], "H 80 100", 0, _),
    cores(eight, 2, 1, "H 80 100", _).

test(a_policy_says_its_name_first, throws(error(policy_error(_), _))) :-
    policy_file(["cost(_, _, 0)."], File),
    load_policy(File, _).

test(a_policy_decides_something, throws(error(policy_error(_), _))) :-
    policy_file([":- policy(idle, \"nothing\").", "costs(_, _, 0)."], File),
    load_policy(File, _).

test(a_policy_of_the_same_name_takes_its_place, [cleanup(no_placements), A-B == [1]-[2]]) :-
    policy_file([":- policy(mine, \"first\").", "cost(_, 1, 0)."], One),
    policy_file([":- policy(mine, \"second\").", "cost(_, 2, 0)."], Two),
    load_policy(One, mine),
    cores(mine, 1, 1, none, A),
    load_policy(Two, mine),
    cores(mine, 2, 1, none, B).

%   What a policy may not do, and is not loaded for.

hostile(":- shell(true).").
hostile(":- initialization(shell(true)).").
hostile("cost(_, _, 0) :- shell(true).").
hostile("cost(_, _, 0) :- open('/tmp/x', write, _).").
hostile("cost(_, _, 0) :- help. help :- getenv('HOME', _).").
hostile("cost(_, _, 0) :- retractall(facts:cpu_thread(_, _, _, _)).").
hostile("cost(_, _, 0) :- store:forget_machine.").
hostile("cost(_, _, 0) :- placement:release(1).").
hostile("cost(_, _, 0) :- catch(loop, _, loop). loop :- loop.").
hostile("user:message_hook(_, _, _).").

test(hostile_policies_are_not_loaded, [forall(hostile(Line)), throws(error(policy_error(_), _))]) :-
    policy_file([":- policy(hostile, \"harm\").", Line, "place(_, _, _) :- fail."], File),
    load_policy(File, hostile).

test(a_policy_that_was_not_loaded_is_not_known, fail) :-
    policies(Policies),
    memberchk(policy(hostile, _), Policies).

test(mistakes_name_file_and_line, true(Expected == Text)) :-
    policy_file([":- policy(wrong, \"no full stop\").", "cost(_, _, 0) :- x y."], File),
    catch(load_policy(File, _), error(policy_error(Text0), _), true),
    format(string(Place), "~w:2:", [File]),
    ( sub_string(Text0, 0, _, _, Place) -> Text = Place ; Text = Text0 ),
    Expected = Place.

test(warnings_come_back, true(Count == 1)) :-
    policy_file([":- policy(single, \"a variable too many\").", "cost(_, Core, 0) :- core(Cor)."], File),
    load_policy(File, single, Warnings),
    length(Warnings, Count).

test(policies_see_facts_and_conclusions, [cleanup(no_placements), Cores == [12]]) :-
    policy_file([":- policy(far, \"far from core 0\").",
                 "cost(_, Core, Cost) :- distance(0, Core, D), cpu_clock(Core, _), Cost is -D."], File),
    load_policy(File, far),
    cores(far, 1, 1, none, Cores).

:- end_tests(policies).
