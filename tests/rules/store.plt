:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(random)).
:- use_module('../../rules/store').

believed(Fact) :-
    facts:Fact.

refused(Goal, Text) :-
    catch(Goal, error(Formal, _), true),
    nonvar(Formal),
    once(phrase(prolog:error_message(Formal), [Format-Arguments])),
    format(string(Text), Format, Arguments).

all_believed(Facts) :-
    findall(Fact-Source, fact_source(Fact, Source), Facts0),
    msort(Facts0, Facts).

:- begin_tests(store, [setup(forget_machine), cleanup(forget_machine)]).

test(what_is_loaded_is_believed, [cleanup(forget_machine), Clock == 2000]) :-
    load_facts(cpuid, [cpu_clock(0, 2000), cpu_clock(1, 2000)]),
    believed(cpu_clock(0, Clock)).

test(a_higher_source_is_believed, [cleanup(forget_machine), all(Clock == [2500])]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(a_priori, [cpu_clock(0, 2500)]),
    believed(cpu_clock(0, Clock)).

test(a_lower_source_is_not, [cleanup(forget_machine), all(Clock == [2500])]) :-
    load_facts(a_priori, [cpu_clock(0, 2500)]),
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    believed(cpu_clock(0, Clock)).

test(disagreement_is_a_contradiction,
     [ cleanup(forget_machine),
       all(Said == [[cpu_clock(0, 2500), a_priori, cpu_clock(0, 2000), cpuid]])
     ]) :-
    load_facts(cpuid, [cpu_clock(0, 2000), cpu_clock(1, 2000)]),
    load_facts(a_priori, [cpu_clock(0, 2500)]),
    overruled(Fact, Source, Other, OtherSource),
    Said = [Fact, Source, Other, OtherSource].

test(agreement_is_none, [cleanup(forget_machine), fail]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(sysfs, [cpu_clock(0, 2000)]),
    overruled(_, _, _, _).

test(labels_do_not_contradict, [cleanup(forget_machine), all(Cache == [0])]) :-
    load_facts(cpuid, [cpu_cache_id(0, 3, unified, 0)]),
    load_facts(sysfs, [cpu_cache_id(0, 3, unified, 7)]),
    \+ overruled(_, _, _, _),
    believed(cpu_cache_id(0, 3, unified, Cache)).

test(the_source_is_that_which_is_believed, [cleanup(forget_machine), all(Source == [measured])]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(measured, [cpu_clock(0, 2100)]),
    fact_source(cpu_clock(0, _), Source).

test(a_relation_holds_what_any_source_says,
     [cleanup(forget_machine), all(Feature-Source == [avx-cpuid, sse2-cpuid, sse2_by_os-sysfs])]) :-
    load_facts(cpuid, [cpu_feature(0, avx), cpu_feature(0, sse2)]),
    load_facts(sysfs, [cpu_feature(0, avx), cpu_feature(0, sse2_by_os)]),
    findall(F-S, fact_source(cpu_feature(0, F), S), Pairs0),
    sort(Pairs0, Pairs),
    member(Feature-Source, Pairs).

test(a_fact_said_twice_is_one, [cleanup(forget_machine), Count == 1]) :-
    load_facts(cpuid, [cpu_clock(0, 2000), cpu_clock(0, 2000)]),
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(sysfs, [cpu_clock(0, 2000)]),
    aggregate_all(count, believed(cpu_clock(_, _)), Count).

test(a_source_that_contradicts_itself_is_told,
     [cleanup(forget_machine), all(Clock-Other == [2000-2100])]) :-
    load_facts(cpuid, [cpu_clock(0, 2100), cpu_clock(0, 2000)]),
    overruled(cpu_clock(0, Clock), cpuid, cpu_clock(0, Other), cpuid).

test(wrong_takes_belief_from_dumps, [cleanup(forget_machine), all(Link == [0-1])]) :-
    load_facts(acpi, [node_distance(0, 1, 20), node_distance(1, 0, 99)]),
    load_facts(a_priori, [wrong(node_distance(1, _, _))]),
    believed(node_distance(A, B, _)),
    Link = A-B.

test(wrong_may_come_first, [cleanup(forget_machine), fail]) :-
    load_facts(a_priori, [wrong(node_distance(_, _, 99))]),
    load_facts(acpi, [node_distance(1, 0, 99)]),
    believed(node_distance(1, 0, _)).

test(wrong_makes_way_for_the_next_source, [cleanup(forget_machine), all(Clock-Source == [2100-sysfs])]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(sysfs, [cpu_clock(0, 2100)]),
    load_facts(a_priori, [wrong(cpu_clock(0, 2000))]),
    fact_source(cpu_clock(0, Clock), Source).

test(wrong_leaves_higher_sources_alone, [cleanup(forget_machine), true]) :-
    load_facts(a_priori, [cpu_clock(0, 2500), wrong(cpu_clock(_, _))]),
    believed(cpu_clock(0, 2500)).

test(forgetting_a_source_brings_back_the_next, [cleanup(forget_machine), all(Clock == [2000])]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(a_priori, [cpu_clock(0, 2500)]),
    forget(a_priori),
    believed(cpu_clock(0, Clock)).

test(forgetting_what_was_wrong_brings_back_belief, [cleanup(forget_machine), true]) :-
    load_facts(a_priori, [wrong(cpu_clock(_, _))]),
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    forget(a_priori),
    believed(cpu_clock(0, 2000)).

test(all_or_nothing, [cleanup(forget_machine), fail]) :-
    catch(load_facts(cpuid, [cpu_clock(0, 2000), cpu_clock(1, fast)]), _, true),
    believed(cpu_clock(_, _)).

test(nothing_is_nothing_where_sources_meet, [cleanup(forget_machine), Before == After]) :-
    load_facts(cpuid, [cpu_clock(0, 2000)]),
    load_facts(sysfs, [cpu_clock(0, 2100), cpu_clock(1, 2100)]),
    all_believed(Before),
    catch(load_facts(a_priori, [wrong(cpu_clock(_, _)), cpu_clock(1, 3000), no_such_fact(1)]), _, true),
    catch(load_facts(user, [cpu_clock(1, 3000), cpu_clock(0, -1)]), _, true),
    \+ overruled(_, a_priori, _, _),
    all_believed(After).

test(what_was_undone_never_comes_back, [cleanup(forget_machine), all(Clock == [4])]) :-
    forall(between(1, 3, Clock),
           catch(atomically(( load_facts(boot, [cpu_clock(0, Clock)]), forget(boot), throw(undo) )), undo, true)),
    load_facts(boot, [cpu_clock(0, 4)]),
    believed(cpu_clock(_, Clock)).

test(a_user_may_say_it_anew, [cleanup(forget_machine), all(Clock == [2])]) :-
    assert_fact(cpu_clock(0, 1)),
    assert_fact(cpu_clock(0, 2)),
    believed(cpu_clock(0, Clock)).

test(a_user_outdoes_everybody, [cleanup(forget_machine), all(Clock-Source == [1-user])]) :-
    load_facts(a_priori, [cpu_clock(0, 2500)]),
    assert_fact(cpu_clock(0, 1)),
    fact_source(cpu_clock(0, Clock), Source).

test(retracting_hides_what_dumps_say, [cleanup(forget_machine), fail]) :-
    load_facts(cpuid, [cpu_clock(0, 1), cpu_clock(1, 1)]),
    retract_fact(cpu_clock(_, _)),
    believed(cpu_clock(_, _)).

test(retracting_the_users_fact_hides_the_dumps_too, [cleanup(forget_machine), fail]) :-
    load_facts(cpuid, [cpu_clock(0, 1)]),
    assert_fact(cpu_clock(0, 2)),
    retract_fact(cpu_clock(0, _)),
    believed(cpu_clock(0, _)).

test(what_was_retracted_can_be_asserted, [cleanup(forget_machine), all(Clock == [1])]) :-
    load_facts(cpuid, [cpu_clock(0, 1)]),
    retract_fact(cpu_clock(0, 1)),
    assert_fact(cpu_clock(0, 1)),
    believed(cpu_clock(0, Clock)).

test(retracting_what_is_not_there_fails, [cleanup(forget_machine), fail]) :-
    retract_fact(cpu_clock(_, _)).

test(an_undeclared_fact, Text == "no fact cpu_clok/2; did you mean cpu_clock/2?") :-
    refused(load_facts(cpuid, [cpu_clok(0, 1)]), Text).

test(a_fact_of_the_wrong_type,
     Text == "cpu_clock/2: clock is a frequency in Hz (an integer), found fast") :-
    refused(load_facts(cpuid, [cpu_clock(0, fast)]), Text).

test(a_variable_is_no_value, Text == "apic/3: enabled is 0 or 1, found a variable") :-
    refused(load_facts(acpi, [apic(0, 0, _)]), Text).

test(no_fact_at_all, Text == "1: a fact is a name with arguments") :-
    refused(load_facts(acpi, [1]), Text).

test(an_unknown_source,
     Text == "no source of facts rumour; there are user, placement, a_priori, boot, measured, cpuid, sysfs, pci, hwloc, acpi") :-
    refused(load_facts(rumour, []), Text).

test(placements_are_the_controllers_to_state,
     Text == "allocation/3 is stated by the placement controller alone, not by user") :-
    refused(assert_fact(allocation(0, 0, 0)), Text).

test(wrong_of_what_is_no_fact, Text == "no fact cpu_clok/2; did you mean cpu_clock/2?") :-
    refused(load_facts(a_priori, [wrong(cpu_clok(_, _))]), Text).

test(generations_differ, [cleanup(forget_machine), true]) :-
    generation(First),
    load_facts(cpuid, [cpu_clock(0, 1)]),
    generation(Second),
    First \== Second,
    load_facts(placement, [allocation(0, 0, 0)]),
    generation(Third),
    Second == Third.

test(an_undone_generation_is_not_used_again, [cleanup(forget_machine), true]) :-
    generation(Before),
    catch(atomically(( load_facts(cpuid, [cpu_clock(0, 1)]), generation(Undone), nb_setval(undone, Undone),
                       throw(undo) )), undo, true),
    generation(Before),
    load_facts(cpuid, [cpu_clock(0, 2)]),
    generation(After),
    nb_getval(undone, Undone1),
    After \== Undone1,
    After \== Before.

%   Whatever the order in which sources speak, the same is believed, and contradicted.

random_said(Said) :-
    findall(Source-Facts,
            ( member(Source, [user, a_priori, measured, cpuid, sysfs, acpi]),
              findall(Fact, ( between(1, 6, _), random_fact(Source, Fact) ), Facts)
            ),
            Said).

random_fact(Source, Fact) :-
    random_between(0, 3, Core),
    random_between(1, 3, Value),
    random_member(Fact0,
                  [ cpu_clock(Core, Value), cpu_cache_id(Core, 3, unified, Value), ht_link(Core, Value),
                    core_latency(Core, Value, Value, ns), wrong(cpu_clock(Core, _)), wrong(ht_link(_, Value)),
                    wrong(core_latency(Core, _, Value, _))
                  ]),
    (   Source == acpi, Fact0 = wrong(_)
    ->  Fact = cpu_clock(Core, Value)
    ;   Fact = Fact0
    ).

state(Said, Facts-Contradictions) :-
    forget_machine,
    forall(member(Source-Facts0, Said), load_facts(Source, Facts0)),
    all_believed(Facts1),
    canonical(Facts1, Facts),
    findall(c(A, B, C, D), overruled(A, B, C, D), Contradictions0),
    msort(Contradictions0, Contradictions).

canonical(Terms, Sorted) :-
    findall(Text, ( member(Term, Terms), numbervars(Term, 0, _), format(string(Text), "~q", [Term]) ), Texts),
    sort(Texts, Sorted).

test(the_order_of_loading_does_not_matter,
     [setup(set_random(seed(4711))), cleanup(forget_machine), forall(between(1, 60, _)), true(A == B)]) :-
    random_said(Said),
    random_permutation(Said, Other),
    state(Said, A),
    state(Other, B).

test(a_source_that_was_forgotten_might_never_have_spoken,
     [setup(set_random(seed(42))), cleanup(forget_machine), forall(between(1, 60, _)), true(A == B)]) :-
    random_said(Said),
    random_member(Source-_, Said),
    findall(S-Facts, ( member(S-Facts, Said), S \== Source ), Others),
    state(Others, A),
    state(Said, _),
    forget(Source),
    all_believed(Facts1),
    canonical(Facts1, Facts),
    findall(c(W, X, Y, Z), overruled(W, X, Y, Z), Contradictions0),
    msort(Contradictions0, Contradictions),
    B = Facts-Contradictions.

test(all_latencies_of_256_cores_load_at_once, [cleanup(forget_machine), true(Seconds < 0.6)]) :-
    findall(core_latency(A, B, 100, ns), ( between(0, 255, A), between(0, 255, B) ), Facts),
    statistics(cputime, Start),
    load_facts(measured, Facts),
    statistics(cputime, End),
    Seconds is End - Start.             % 0.07 s where measured; the bound leaves room for a busy machine

:- end_tests(store).
