:- encoding(utf8).
:- module(store,
          [ load_facts/2,               % +Source, +Facts
            assert_fact/1,              % +Fact
            retract_fact/1,             % +Pattern
            withdraw/2,                 % +Source, +Pattern
            forget/1,                   % +Source
            forget_machine/0,
            fact_source/2,              % ?Fact, ?Source
            says/2,                     % +Source, ?Fact
            overruled/4,                % ?Fact, ?Source, ?Other, ?OtherSource
            precedence/1,               % -Sources
            generation/1,               % -Generation
            atomically/1                % :Goal
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(vocabulary).
:- use_module(types, [natural/2]).

/** <module> The facts, and who says so

Module `facts` holds what is believed, one dynamic predicate for each declared fact; rules read it there. What
each source said stays in a layer of its own, so that what is believed follows from the layers alone,
whatever the order in which they were loaded:

  - of two facts with equal keys the one whose source comes first in precedence/1 is believed, the other is
    overruled/4 (labels apart, vocabulary.pl); two of one source: the first in standard order;
  - wrong(Pattern), said by a source, takes belief from all matching facts of sources after it;
  - a relation (no key) is believed where any layer holds it.

A predicate of which one source alone speaks, without contradicting itself, needs no layer: `facts` holds what
it said, and held/3 who it is. It gets its layers when another source speaks of it.
*/

:- dynamic
       current_generation/1,            % Generation
       held/3,                          % Name, Arity, How: sole(Source) or layered
       suspect/2.                       % Name, Arity: wrong/1 says something about that predicate

%!  precedence(-Sources) is det.
%
%   The sources of facts; the first one that speaks of a key is believed. What a user says now outdoes
%   what the machine's author wrote, that outdoes measurements, those what dumps say; among dumps the
%   processor knows itself best, then the operating system, PCI functions by their registers, what lstopo made of it
%   all, and the firmware.

precedence([user, placement, a_priori, boot, measured, cpuid, sysfs, pci, hwloc, acpi]).

%   layer(?Source, ?Rank, ?Layer): the module that holds what Source says; lower ranks are believed first.

layer(user, 0, facts_user).
layer(placement, 1, facts_placement).
layer(a_priori, 2, facts_a_priori).
layer(boot, 3, facts_boot).
layer(measured, 4, facts_measured).
layer(cpuid, 5, facts_cpuid).
layer(sysfs, 6, facts_sysfs).
layer(pci, 7, facts_pci).
layer(hwloc, 8, facts_hwloc).
layer(acpi, 9, facts_acpi).

%   Made from the vocabulary, so that checking a fact costs one indexed call:
%   well_formed(Fact) if every argument has its type; key_of(Fact, Key) with the arguments that identify it
%   (the fact itself for a relation); key_pattern(Fact, Pattern) if Pattern has the arguments of Fact's key
%   and fresh variables elsewhere; label_pattern(Fact, Pattern) if they differ at most in labels.

:- dynamic well_formed/1, key_of/2, key_pattern/2, label_pattern/2.

compile_vocabulary :-
    forall(declared(Name, Arity, fact, Args, _, _), compile_fact(Name, Arity, Args)).

compile_fact(Name, Arity, Args) :-
    forall(( Module = facts ; layer(_, _, Module) ), dynamic(Module:Name/Arity)),
    @(export(Name/Arity), facts),
    functor(Fact, Name, Arity),
    Fact =.. [_|Values],
    maplist(argument_check, Args, Values, Checks),
    foldl(conjunction, Checks, true, Body),
    assertz((well_formed(Fact) :- Body)),
    (   key_positions(Name, Arity, Positions)
    ->  same_arguments(Positions, Fact, Pattern, Name, Arity),
        maplist(argument_of(Fact), Positions, KeyValues),
        Key =.. [key|KeyValues]
    ;   Pattern = Fact,
        Key = Fact
    ),
    assertz(key_pattern(Fact, Pattern)),
    assertz(key_of(Fact, Key)),
    label_positions(Name, Arity, Labels),
    numlist(1, Arity, All),
    subtract(All, Labels, Plain),
    same_arguments(Plain, Fact, Relabelled, Name, Arity),
    assertz(label_pattern(Fact, Relabelled)).

same_arguments(Positions, Fact, Other, Name, Arity) :-
    functor(Other, Name, Arity),
    maplist(same_argument(Fact, Other), Positions).

argument_of(Fact, Position, Value) :-
    arg(Position, Fact, Value).

same_argument(A, B, Position) :-
    arg(Position, A, Value),
    arg(Position, B, Value).

conjunction(Check, true, Check) :- !.
conjunction(Check, Checks, (Check, Checks)).

argument_check(_:Type, Value, Check) :-
    (   inline_check(Type, Value, Check0)
    ->  Check = Check0
    ;   Check = has_type(Type, Value)
    ).

inline_check(label(Type), Value, Check) :-
    inline_check(Type, Value, Check).
inline_check(atom, Value, atom(Value)).
inline_check(Type, Value, (integer(Value), Value >> 64 =:= 0)) :-      % from 0 on, of 64 bits at most
    natural(Type, _).

:- compile_vocabulary.

%!  load_facts(+Source, +Facts) is det.
%
%   Source says Facts, a list. All of them are taken in, or none:
%
%   @error undeclared_fact(Fact, Suggestion), malformed_fact(Fact, Text), misplaced_fact(Fact, Source)

load_facts(Source, Facts) :-
    layer_of(Source, Rank, Layer),
    atomically(( add_runs(Facts, Source, Rank, Layer), changed(Source) )).

%   Facts of one predicate that follow each other are taken together.

add_runs([], _, _, _).
add_runs([Fact|Facts], Source, Rank, Layer) :-
    (   callable(Fact)
    ->  functor(Fact, Name, Arity),
        well_formed_run([Fact|Facts], Name, Arity, Run, Rest)
    ;   refuse(Fact)
    ),
    add_run(Name, Arity, Run, Source, Rank, Layer),
    add_runs(Rest, Source, Rank, Layer).

well_formed_run([Fact|Facts], Name, Arity, [Fact|Run], Rest) :-
    functor(Fact, Name, Arity),
    !,
    (   well_formed(Fact)
    ->  well_formed_run(Facts, Name, Arity, Run, Rest)
    ;   refuse(Fact)
    ).
well_formed_run(Facts, _, _, [], Facts).

add_run(wrong, 1, Run, Source, Rank, Layer) :-
    !,
    forall(member(wrong(Pattern), Run), add_wrong(Pattern, Source, Rank, Layer)).
add_run(Name, Arity, Run0, Source, _, Layer) :-
    (   reserved(Name, Source)
    ->  Run0 = [Fact|_],
        throw(error(misplaced_fact(Fact, Source), _))
    ;   true
    ),
    sort(Run0, Run),
    (   held(Name, Arity, How)
    ->  true
    ;   How = nobody
    ),
    add_sorted(How, Name, Arity, Run, Source, Layer).

add_sorted(nobody, Name, Arity, Run, Source, _) :-
    distinct_keys(Run),
    !,
    assertz(held(Name, Arity, sole(Source))),
    assert_each(Run, facts).
add_sorted(sole(Source), Name, Arity, Run, Source, Layer) :-
    !,
    add_sole(Run, Name, Arity, Source, Layer).
add_sorted(_, Name, Arity, Run, _, Layer) :-
    make_layers(Name, Arity),
    add_layered(Run, Layer).

distinct_keys(Facts) :-
    maplist(key_of, Facts, Keys0),
    sort(Keys0, Keys),
    same_length(Facts, Keys).

assert_each([], _).
assert_each([Fact|Facts], Module) :-
    assertz(Module:Fact),
    assert_each(Facts, Module).

add_sole([], _, _, _, _).
add_sole([Fact|Facts], Name, Arity, Source, Layer) :-
    key_pattern(Fact, Key),
    (   \+ facts:Key
    ->  assertz(facts:Fact),
        add_sole(Facts, Name, Arity, Source, Layer)
    ;   said(facts, Fact)
    ->  add_sole(Facts, Name, Arity, Source, Layer)
    ;   make_layers(Name, Arity),
        add_layered([Fact|Facts], Layer)
    ).

add_layered([], _).
add_layered([Fact|Facts], Layer) :-
    (   said(Layer, Fact)
    ->  true
    ;   assertz(Layer:Fact),
        key_pattern(Fact, Key),
        settle(Key)
    ),
    add_layered(Facts, Layer).

%   make_layers(+Name, +Arity): from now on, what is believed of that predicate is settled from the layers.

make_layers(Name, Arity) :-
    (   held(Name, Arity, layered)
    ->  true
    ;   (   retract(held(Name, Arity, sole(Source)))
        ->  layer(Source, _, Layer),
            functor(Fact, Name, Arity),
            forall(facts:Fact, assertz(Layer:Fact))
        ;   true
        ),
        assertz(held(Name, Arity, layered))
    ).

%   What the placement controller decided is its own to say.

reserved(Name, Source) :-
    placement_fact(Name),
    Source \== placement.

placement_fact(allocation).
placement_fact(granted).
placement_fact(considered).
placement_fact(domain_manifest).
placement_fact(domain_phase).
placement_fact(manifest).
placement_fact(manifest_phase).
placement_fact(manifest_group).
placement_fact(can_spare).
placement_fact(wants_cores).
placement_fact(asked_back).
placement_fact(gave_up).
placement_fact(virtualised).
placement_fact(unganged).

said(Layer, Fact) :-
    copy_term(Fact, Copy),
    Layer:Copy,
    Copy =@= Fact,
    !.

add_wrong(Pattern, Source, Rank, Layer) :-
    (   \+ callable(Pattern)
    ->  throw(error(malformed_fact(wrong(Pattern), "wrong/1 takes a fact"), _))
    ;   true
    ),
    must_be_declared(Pattern),
    functor(Pattern, Name, Arity),
    (   placement_fact(Name)
    ->  throw(error(misplaced_fact(Pattern, Source), _))
    ;   said(Layer, wrong(Pattern))
    ->  true
    ;   make_layers(Name, Arity),
        assertz(Layer:wrong(Pattern)),
        assertz(facts:wrong(Pattern)),
        (   suspect(Name, Arity)
        ->  true
        ;   assertz(suspect(Name, Arity))
        ),
        settle_after(Rank, Pattern)
    ).

%   All keys about which a source after Rank says something that matches Pattern are settled anew.

settle_after(Rank, Pattern) :-
    findall(Key,
            ( layer(_, Lower, Layer),
              Lower > Rank,
              Layer:Pattern,
              key_pattern(Pattern, Key)
            ),
            Keys0),
    sort(Keys0, Keys),
    maplist(settle, Keys).

%!  settle(+Key) is det.
%
%   Makes facts hold what follows from the layers about a key.

settle(Key) :-
    findall(Rank-Key, believable(Key, Rank), Claims0),
    findall(Key, facts:Key, Believed),
    (   Claims0 == []
    ->  retract_each(Believed)
    ;   sort(Claims0, [_-Winner|_]),
        (   Believed = [Only],
            Only =@= Winner
        ->  true
        ;   retract_each(Believed),
            assertz(facts:Winner)
        )
    ).

retract_each(Facts) :-
    forall(member(Fact, Facts), once(retract(facts:Fact))).

%   believable(?Fact, -Rank): the source of that Rank says Fact, and none before it says it is wrong.

believable(Fact, Rank) :-
    layer(_, Rank, Layer),
    Layer:Fact,
    functor(Fact, Name, Arity),
    \+ ( suspect(Name, Arity), disbelieved(Fact, Rank) ).

disbelieved(Fact, Rank) :-
    layer(_, Higher, Layer),
    Higher < Rank,
    Layer:wrong(Pattern),
    subsumes_term(Pattern, Fact),
    !.

%   Facts of a source that go leave the keys they spoke of to be settled.

remove(Source, Layer, Pattern) :-
    functor(Pattern, Name, Arity),
    (   held(Name, Arity, layered)
    ->  findall(Pattern, retract(Layer:Pattern), Gone),
        maplist(key_pattern, Gone, Keys0),
        sort(Keys0, Keys),
        maplist(settle, Keys)
    ;   held(Name, Arity, sole(Source))
    ->  retractall(facts:Pattern),
        functor(Any, Name, Arity),
        (   \+ \+ facts:Any
        ->  true
        ;   retractall(held(Name, Arity, _))
        )
    ;   true
    ).

remove_wrong(Layer, Rank, Pattern) :-
    findall(Pattern, retract(Layer:wrong(Pattern)), Gone),
    forall(member(Each, Gone),
           ( once(retract(facts:wrong(Each))),
             functor(Each, Name, Arity),
             functor(Any, Name, Arity),
             (   layer(_, _, Other),
                 Other:wrong(Any)
             ->  true
             ;   retractall(suspect(Name, Arity))
             ),
             settle_after(Rank, Each)
           )).

%!  assert_fact(+Fact) is det.
%
%   The user says Fact, in place of what the user said of its key before.

assert_fact(Fact) :-
    atomically(( (   callable(Fact),
                      key_pattern(Fact, Key),
                      Fact \= wrong(_)
                  ->  remove(user, facts_user, Key)
                  ;   true
                  ),
                  load_facts(user, [Fact])
                )).

%!  retract_fact(+Pattern) is semidet.
%
%   No fact matches Pattern any more; what other sources say of it is wrong. Fails if none did.

retract_fact(Pattern) :-
    must_be_declared(Pattern),
    functor(Pattern, Name, _),
    (   placement_fact(Name)
    ->  throw(error(misplaced_fact(Pattern, user), _))
    ;   true
    ),
    (   Pattern = wrong(Wrong)
    ->  \+ \+ facts:wrong(Wrong),
        atomically(( forall(layer(_, Rank, Layer), remove_wrong(Layer, Rank, Wrong)),
                      changed(user)
                    ))
    ;   \+ \+ facts:Pattern,
        atomically(( layer(user, Rank, Layer),
                      remove(user, Layer, Pattern),
                      (   \+ \+ facts:Pattern
                      ->  add_wrong(Pattern, user, Rank, Layer)
                      ;   true
                      ),
                      changed(user)
                    ))
    ).

%!  withdraw(+Source, +Pattern) is det.
%
%   Source no longer says any fact that matches Pattern.

withdraw(Source, Pattern) :-
    layer_of(Source, Rank, Layer),
    must_be_declared(Pattern),
    atomically(( (   Pattern = wrong(Wrong)
                  ->  remove_wrong(Layer, Rank, Wrong)
                  ;   remove(Source, Layer, Pattern)
                  ),
                  changed(Source)
                )).

%!  forget(+Source) is det.
%
%   Source said nothing.

forget(Source) :-
    layer_of(Source, Rank, Layer),
    atomically(( remove_wrong(Layer, Rank, _),
                  forall(( held(Name, Arity, _),
                           functor(Any, Name, Arity)
                         ),
                         remove(Source, Layer, Any)),
                  changed(Source)
                )).

%!  forget_machine is det.
%
%   There are no facts: no machine's, no user's, no placement.

forget_machine :-
    atomically(( forall(key_pattern(Fact, _),
                         ( retractall(facts:Fact),
                           forall(layer(_, _, Layer), retractall(Layer:Fact))
                         )),
                  retractall(suspect(_, _)),
                  retractall(held(_, _, _)),
                  changed(user)
                )).

%!  fact_source(?Fact, ?Source) is nondet.
%
%   Fact holds because Source says so.

fact_source(Fact, Source) :-
    known_functor(Fact),
    facts:Fact,
    speaker(Fact, Source0),
    Source = Source0.

speaker(Fact, Source) :-
    functor(Fact, Name, Arity),
    held(Name, Arity, sole(Source)),
    !.
speaker(Fact, Source) :-
    layer(Source, Rank, Layer),
    said(Layer, Fact),
    ( Fact = wrong(_) -> true ; \+ disbelieved(Fact, Rank) ),
    !.

%!  says(+Source, ?Fact) is nondet.
%
%   Source says Fact, whether it is believed or not.

says(Source, Fact) :-
    layer_of(Source, _, Layer),
    known_functor(Fact),
    functor(Fact, Name, Arity),
    (   held(Name, Arity, sole(Source))
    ->  facts:Fact
    ;   Layer:Fact
    ).

known_functor(Fact) :-
    (   var(Fact)
    ->  key_pattern(Fact, _)
    ;   key_pattern(Fact, _)
    ->  true
    ).

%!  overruled(?Fact, ?Source, ?Other, ?OtherSource) is nondet.
%
%   Fact holds because Source says so, which overrules Other that OtherSource says of the same key.

overruled(Fact, Source, Other, OtherSource) :-
    known_functor(Other),
    functor(Other, Name, Arity),
    held(Name, Arity, layered),
    layer(OtherSource, OtherRank, Layer),
    Layer:Other,
    key_pattern(Other, Fact),
    facts:Fact,
    Fact \=@= Other,
    \+ same_but_labels(Fact, Other),
    \+ disbelieved(Other, OtherRank),
    speaker(Fact, Source).

same_but_labels(Fact, Other) :-
    label_pattern(Fact, Relabelled),
    Relabelled = Other.

%!  atomically(:Goal) is semidet.
%
%   Once Goal has succeeded, all its changes are there; if it fails or raises, none of them. Within another
%   transaction Goal is part of that one, whose failure undoes it: nested transactions of SWI-Prolog 9.0.4
%   make facts reappear that were added in an outer one, removed in an inner one, and rolled back.

:- meta_predicate atomically(0).

atomically(Goal) :-
    (   current_transaction(_:_)
    ->  once(Goal)
    ;   transaction(Goal)
    ).

%!  generation(-Generation) is det.
%
%   A number that differs for different states of knowledge of the machine (placements apart): what is
%   tabled for one state is looked up under its generation only.

generation(Generation) :-
    (   current_generation(Current)
    ->  Generation = Current
    ;   Generation = 0
    ).

changed(placement) :- !.
changed(_) :-
    flag(store_generation, Last, Last + 1),
    Generation is Last + 1,             % never used before, even if this transaction is undone
    retractall(current_generation(_)),
    assertz(current_generation(Generation)),
    abolish_all_tables.

layer_of(Source, Rank, Layer) :-
    (   atom(Source),
        layer(Source, Rank, Layer)
    ->  true
    ;   throw(error(unknown_source(Source), _))
    ).

must_be_declared(Pattern) :-
    (   callable(Pattern),
        key_pattern(Pattern, _)
    ->  true
    ;   refuse(Pattern)
    ).

%   refuse(+Fact): throws the error that says what is the matter with it.

refuse(Fact) :-
    \+ callable(Fact),
    !,
    throw(error(malformed_fact(Fact, "a fact is a name with arguments"), _)).
refuse(Fact) :-
    functor(Fact, Name, Arity),
    (   declared(Name, Arity, fact, Args, _, _)
    ->  Fact =.. [_|Values],
        first_misfit(Args, Values, Arg, Type, Value),
        type_text(Type, Expected),
        (   var(Value)
        ->  format(string(Text), "~w is ~w, found a variable", [Arg, Expected])
        ;   format(string(Found), "~q", [Value]),
            shortened(Found, Shown),
            format(string(Text), "~w is ~w, found ~w", [Arg, Expected, Shown])
        ),
        throw(error(malformed_fact(Fact, Text), _))
    ;   suggestion(Name, Arity, Suggestion),
        throw(error(undeclared_fact(Fact, Suggestion), _))
    ).

shortened(Text, Shown) :-
    string_length(Text, Length),
    (   Length =< 80
    ->  Shown = Text
    ;   sub_string(Text, 0, 60, _, Start),
        format(string(Shown), "~w... (~D characters)", [Start, Length])
    ).

first_misfit([Arg:Type|Args], [Value|Values], Misfit, MisfitType, MisfitValue) :-
    (   nonvar(Value),
        has_type(Type, Value)
    ->  first_misfit(Args, Values, Misfit, MisfitType, MisfitValue)
    ;   Misfit = Arg,
        MisfitType = Type,
        MisfitValue = Value
    ).

:- multifile prolog:error_message//1.

prolog:error_message(undeclared_fact(Fact, Suggestion)) -->
    { functor(Fact, Name, Arity) },
    [ 'no fact ~q/~w~w'-[Name, Arity, Suggestion] ].
prolog:error_message(malformed_fact(Fact, Text)) -->
    { callable(Fact), functor(Fact, Name, Arity) },
    [ '~q/~w: ~w'-[Name, Arity, Text] ].
prolog:error_message(malformed_fact(Fact, Text)) -->
    { \+ callable(Fact) },
    [ '~q: ~w'-[Fact, Text] ].
prolog:error_message(misplaced_fact(Fact, Source)) -->
    { functor(Fact, Name, Arity) },
    [ '~q/~w is stated by the placement controller alone, not by ~w'-[Name, Arity, Source] ].
prolog:error_message(unknown_source(Source)) -->
    { precedence(Sources), atomic_list_concat(Sources, ', ', Known) },
    [ 'no source of facts ~q; there are ~w'-[Source, Known] ].
