:- encoding(utf8).
:- module(proof,
          [ proof/2,                    % :Goal, -Proof
            proof_of_question/2         % +Text, -Proof
          ]).
:- use_module(library(lists)).
:- use_module(vocabulary).
:- use_module(store).
:- use_module(safety, [must_touch_nothing/2]).
:- use_module(bridge, [read_goal/4]).

/** <module> Why something is concluded

A proof is found by running the rules' own clauses step by step, so that what it shows is what decided. It shows what
people name: facts with who says so, predicates of the vocabulary, users' rules, and what those compute. What a
predicate of the vocabulary does inside is left out; what it rests on is shown in its place.

A proof is node(Kind, Goal, Source, Proofs):

  - node(fact, Fact, Source, []): Source says Fact;
  - node(rule, Goal, Place, Proofs): Goal follows from Proofs by a rule; Place is file:line of a user's rule, `''` of
    one of ours;
  - node(computed, Goal, '', []): Goal, a built-in, holds;
  - node(none, Goal, '', []): nothing satisfies Goal (`\+`);
  - node(all, Goal, '', Proofs): each proof of Goal counted (findall, forall, bagof, sums).
*/

:- meta_predicate proof(0, -).

%!  proof(:Goal, -Proof) is nondet.
%
%   Goal holds as Proof shows, once for each way in which it does. Goal must be safe, as for a user's question.
%
%   @error permission_error(call, sandboxed, _)

proof(Goal, Proof) :-
    strip_module(Goal, Module, Plain),
    must_touch_nothing(Module, Plain),
    prove(Plain, Module, shown, Proofs),
    (   Proofs = [Proof0]
    ->  Proof = Proof0
    ;   Proof = node(rule, Plain, '', Proofs)
    ).

%!  proof_of_question(+Text:string, -Proof) is nondet.
%
%   As proof/2, of a goal as a user types it (skb/engine.py, goal_text).

proof_of_question(Text, Proof) :-
    read_goal(Text, skb, Goal, _),
    must_touch_nothing(skb, Goal),
    proof(skb:Goal, Proof).

%   prove(+Goal, +Module, +Where, -Proofs): Where is `shown` in users' goals and rules, `hidden` within ours.

prove(Goal, Module, Where, Proofs) :-
    prolog_current_choice(Choice),
    prove(Goal, Module, Where, Choice, Proofs).

prove(Goal, _, _, _, _) :-
    var(Goal),
    !,
    throw(error(instantiation_error, _)).
prove(true, _, _, _, []) :- !.
prove(!, _, _, Choice, []) :-
    !,
    prolog_cut_to(Choice).
prove(Module:Goal, _, Where, Choice, Proofs) :-
    !,
    prove(Goal, Module, Where, Choice, Proofs).
prove(@(Goal, Module), _, Where, Choice, Proofs) :-
    !,
    prove(Goal, Module, Where, Choice, Proofs).
prove((A, B), Module, Where, Choice, Proofs) :-
    !,
    prove(A, Module, Where, Choice, ProofsA),
    prove(B, Module, Where, Choice, ProofsB),
    append(ProofsA, ProofsB, Proofs).
prove((If -> Then ; Else), Module, Where, Choice, Proofs) :-
    !,
    (   prove(If, Module, Where, ProofsIf)
    ->  prove(Then, Module, Where, Choice, ProofsThen),
        append(ProofsIf, ProofsThen, Proofs)
    ;   prove(Else, Module, Where, Choice, Proofs)
    ).
prove((If *-> Then ; Else), Module, Where, Choice, Proofs) :-
    !,
    (   prove(If, Module, Where, ProofsIf)
    *-> prove(Then, Module, Where, Choice, ProofsThen),
        append(ProofsIf, ProofsThen, Proofs)
    ;   prove(Else, Module, Where, Choice, Proofs)
    ).
prove((A ; B), Module, Where, Choice, Proofs) :-
    !,
    (   prove(A, Module, Where, Choice, Proofs)
    ;   prove(B, Module, Where, Choice, Proofs)
    ).
prove((If -> Then), Module, Where, Choice, Proofs) :-
    !,
    (   prove(If, Module, Where, ProofsIf)
    ->  prove(Then, Module, Where, Choice, ProofsThen),
        append(ProofsIf, ProofsThen, Proofs)
    ).
prove(\+ Goal, Module, Where, _, Proofs) :-
    !,
    \+ Module:Goal,
    noted(Where, node(none, Goal, '', []), Proofs).
prove(Goal, Module, Where, _, Proofs) :-
    collects(Goal, Inner),
    !,
    Module:Goal,
    findall(Proof, ( prove(Inner, Module, Where, Each), member(Proof, Each) ), Below),
    (   Where == shown
    ->  Proofs = [node(all, Goal, '', Below)]
    ;   Proofs = Below
    ).
prove(once(Goal), Module, Where, _, Proofs) :-
    !,
    (   prove(Goal, Module, Where, Proofs)
    ->  true
    ).
prove(ignore(Goal), Module, Where, _, Proofs) :-
    !,
    (   prove(Goal, Module, Where, Proofs0)
    ->  Proofs = Proofs0
    ;   Proofs = []
    ).
prove(Call, Module, Where, _, Proofs) :-
    Call =.. [call, Closure|More],
    !,
    strip_module(Module:Closure, Context, Plain),
    Plain =.. Parts0,
    append(Parts0, More, Parts),
    Goal =.. Parts,
    prove(Goal, Context, Where, Proofs).
prove(Goal, Module, Where, _, Proofs) :-
    predicate_property(Module:Goal, imported_from(apply)),      % maplist, foldl, ...: what their closures rest on
    !,
    Goal =.. [Name, Closure|Arguments],
    Local =.. [Name, Module:Closure|Arguments],
    clauses_prove(Local, apply, Where, _, Below),
    (   Where == shown
    ->  Proofs = [node(rule, Goal, '', Below)]
    ;   Proofs = Below
    ).
prove(Goal, apply, Where, _, Proofs) :-
    !,
    clauses_prove(Goal, apply, Where, _, Proofs).
prove(Goal, Module, Where, _, Proofs) :-
    (   predicate_property(Module:Goal, imported_from(Home))
    ->  true
    ;   Home = Module
    ),
    known(Goal, Home, Where, Proofs).

%   collects(+Goal, -Inner): Goal looks at all solutions of Inner.

collects(findall(_, Inner, _), Inner).
collects(findall(_, Inner, _, _), Inner).
collects(aggregate_all(_, Inner, _), Inner).
collects(forall(If, Then), (If, Then)).
collects(bagof(_, Inner0, _), Inner) :- unquantified(Inner0, Inner).
collects(setof(_, Inner0, _), Inner) :- unquantified(Inner0, Inner).

unquantified(Goal0, Goal) :-
    (   nonvar(Goal0),
        Goal0 = _^Goal1
    ->  unquantified(Goal1, Goal)
    ;   Goal = Goal0
    ).

%   known(+Goal, +Home, +Where, -Proofs): Goal is a predicate of module Home.

known(Goal, facts, _, [node(fact, Goal, Source, [])]) :-
    !,
    facts:Goal,
    (   fact_source(Goal, Source)
    ->  true
    ;   Source = unknown
    ).
known(ascending(Term, Goal), topology, Where, Proofs) :-
    !,                                  % as topology.pl has it, but each answer with what it alone rests on
    findall(Term-Each, prove(Goal, topology, Where, Each), Answers0),
    sort(1, @<, Answers0, Answers),
    member(Term-Proofs, Answers).
known(default_cost(Name, Value, Unit, Source), costs, _, [node(fact, cost(Name, Value, Unit, Source), default, [])]) :-
    !,
    costs:default_cost(Name, Value, Unit, Source).
known(Goal, Home, Where, Proofs) :-
    ours(Home),
    !,
    (   computes(Goal, Home)
    ->  Home:Goal,
        Below = []
    ;   clauses_prove(Goal, Home, hidden, _, Below0),
        each_once(Below0, Below)
    ),
    functor(Goal, Name, Arity),
    (   declared(Name, Arity, derived, _, _, _),
        Where == shown
    ->  Proofs = [node(rule, Goal, '', Below)]
    ;   Proofs = Below
    ).
known(Goal, Home, _, [node(rule, Goal, Place, Below)]) :-
    predicate_property(Home:Goal, number_of_clauses(_)),
    \+ predicate_property(Home:Goal, system),
    \+ predicate_property(Home:Goal, foreign),
    \+ library(Home),
    !,
    clauses_prove(Goal, Home, shown, Place, Below).
known(Goal, Home, Where, Proofs) :-
    Home:Goal,
    noted(Where, node(computed, Goal, '', []), Proofs).

clauses_prove(Goal, Home, Where, Place, Proofs) :-
    prolog_current_choice(Choice),
    clause(Home:Goal, Body, Clause),
    clause_place(Clause, Place),
    prove(Body, Home, Where, Choice, Proofs).

each_once([], []).
each_once([Proof|Proofs], [Proof|Once]) :-
    findall(Other, ( member(Other, Proofs), Other \=@= Proof ), Others),
    each_once(Others, Once).

clause_place(Clause, Place) :-
    (   clause_property(Clause, file(File)),
        clause_property(Clause, line_count(Line))
    ->  file_base_name(File, Base),
        atomic_list_concat([Base, Line], :, Place)
    ;   Place = ''
    ).

%   Modules of the rules that come with the SKB.

ours(Module) :-
    module_property(Module, file(File)),
    module_property(proof, file(Here)),
    file_directory_name(Here, Folder),
    file_directory_name(File, Folder).

library(Module) :-
    module_property(Module, class(Class)),
    memberchk(Class, [system, library]).

%   What is tabled or kept while deciding is looked up, not proved.

computes(Goal, Home) :-
    predicate_property(Home:Goal, tabled),
    !.
computes(Goal, Home) :-
    predicate_property(Home:Goal, dynamic),
    !.
computes(_, store).
computes(_, vocabulary).
computes(_, multicast).

noted(shown, Node, [Node]).
noted(hidden, _, []).
