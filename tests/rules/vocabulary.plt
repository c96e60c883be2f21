:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/vocabulary').
:- use_module('../../rules/skb').

:- begin_tests(vocabulary).

test(a_fact_is_declared_with_its_key, Key == [core, level, type]) :-
    declared(cpu_cache, 9, fact, _, Key, _).

test(a_number_as_key_means_leading_arguments, Key == []) :-
    declared(machine, 1, fact, _, Key, _).

test(a_relation_has_no_key, fail) :-
    key_positions(cpu_feature, 2, _).

test(keys_may_lie_anywhere, Positions == [2]) :-
    key_positions(device, 8, Positions).

test(no_predicate_is_declared_twice, Twice == []) :-
    findall(Name/Arity, declared(Name, Arity, _, _, _, _), All),
    msort(All, Sorted),
    findall(Each, append(_, [Each, Each|_], Sorted), Twice).

test(every_type_is_known, Unknown == []) :-
    findall(Name-Type,
            ( declared(Name, _, _, Args, _, _),
              member(_:Type, Args),
              \+ type_text(Type, _)
            ),
            Unknown).

test(every_key_names_arguments, Wrong == []) :-
    findall(Name-Each,
            ( declared(Name, _, fact, Args, Key, _),
              is_list(Key),
              member(Each, Key),
              \+ memberchk(Each:_, Args)
            ),
            Wrong).

test(every_source_is_one, Wrong == []) :-
    store:precedence(Sources),
    findall(Name-Source, ( declared_source(Name, _, Source), \+ memberchk(Source, Sources) ), Wrong).

test(every_derived_predicate_is_there, Missing == []) :-
    findall(Name/Arity,
            ( declared(Name, Arity, derived, _, _, _),
              functor(Head, Name, Arity),
              \+ predicate_property(skb:Head, defined)
            ),
            Missing).

test(every_derived_predicate_tells_its_determinism, Wrong == []) :-
    findall(Name-Determinism,
            ( determinism(Name, _, Determinism),
              \+ memberchk(Determinism, [det, semidet, nondet])
            ),
            Wrong).

test(barrelfish_facts_are_there, Missing == []) :-
    Barrelfish = [ corename/3, nr_running_cores/1, cpu_thread/4, vendor/2, cpu_family/5, cpu_cache/9, cpu_tlb/6,
                   cpu_addrspace/4, maximum_apic_id/1, associativity_encoding/4, apic/3, ioapic/3, apic_nmi/3,
                   interrupt_override/4, generic_interrupt/6, generic_distributor/4, generic_redistributor/2,
                   generic_msi_frame/5, generic_translator/2, cpu_affinity/3, memory_affinity/3,
                   node_distance/3, memory_region/5, mem_region_type/2, fixed_memory/2, hpet_gcap/2,
                   dmar/1, dmar_hardware_unit/4, dmar_reserved_memory/4, dmar_rhsa/2, iommu_enabled/2,
                   pcie_confspace/4, rootbridge/3, rootbridge_address_window/2, prt/3, pir/2, device/8,
                   bridge/8, bar/7, message_rtt/6, ht_link/2, rootcomplex_addr/2, cache_share/3, parallelapp/4
                 ],
    findall(Name/Arity,
            ( member(Name/Arity, Barrelfish), \+ declared(Name, Arity, fact, _, _, _) ),
            Missing).

test(a_misspelt_name_finds_the_nearest, Text == "; did you mean cpu_thread/4?") :-
    suggestion(cpu_tread, 4, Text).

test(a_wrong_number_of_arguments_shows_them,
     Text == "; it is cpu_thread(core, package, core_in_package, thread)") :-
    suggestion(cpu_thread, 3, Text).

test(what_rules_conclude_is_not_asserted,
     Text == "; shares_cache is concluded by rules, it cannot be asserted") :-
    suggestion(shares_cache, 3, Text).

test(types, all(Type == [core, text, text, addr, flag, number, cache_type])) :-
    member(Type-Value,
           [ core-0, core-(-1), core-1.0, text-"x", text-x, text-1, addr-addr(0, 24, 3), addr-addr(0, 24),
             flag-1, flag-2, number-1.5, cache_type-data, cache_type-both ]),
    once(has_type(Type, Value)).

:- end_tests(vocabulary).
