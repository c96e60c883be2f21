:- encoding(utf8).
:- module(safety,
          [ must_be_safe/2              % +Module, +Heads
          ]).
:- use_module(library(lists)).
:- use_module(library(occurs), [sub_term/2]).
:- use_module(library(sandbox), [safe_goal/1]).
:- use_module(vocabulary).
:- use_module(store).
:- use_module(topology).
:- use_module(distance).
:- use_module(routes).
:- use_module(memory).
:- use_module(symmetry).
:- use_module(multicast).
:- use_module(costs).
:- use_module(admission, [utilisation/2]).
:- use_module(load).

/** <module> What rules from outside may do

They may look at facts, conclude, and compute; they may not touch files, processes, other modules or the facts
themselves. library(sandbox) follows every call that can be reached from an entry point. The vocabulary is
declared safe as a whole, for it only looks things up. What catches exceptions is not let in: it could
catch the one that stops a runaway.
*/

:- multifile sandbox:safe_primitive/1.

%   One clause of sandbox:safe_primitive/1 for each predicate that rules may call.

term_expansion(safe_vocabulary, Clauses) :-
    findall((sandbox:safe_primitive(Module:Head)), may_call(Module, Head), Clauses).

may_call(facts, Head) :-
    declared(Name, Arity, fact, _, _, _),
    functor(Head, Name, Arity).
may_call(Module, Head) :-
    member(Module, [topology, distance, routes, memory, symmetry, multicast, costs, load]),
    module_property(Module, exports(Exports)),
    member(Name/Arity, Exports),
    declared(Name, Arity, derived, _, _, _),
    functor(Head, Name, Arity).
may_call(store, fact_source(_, _)).
may_call(store, contradiction(_, _, _, _)).
may_call(admission, utilisation(_, _)).

safe_vocabulary.

%!  must_be_safe(+Module, +Heads) is det.
%
%   What Module defines may be called through any of Heads.
%
%   @error permission_error(call, sandboxed, Goal) and others of library(sandbox)
%   @error unsafe_rule(Name/Arity, Called)

must_be_safe(Module, Heads) :-
    forall(( member(Head, Heads), defined_in(Module, Head) ),
           safe_goal(Module:Head)),
    forall(( predicate_property(Module:Head, number_of_clauses(_)),
             \+ predicate_property(Module:Head, imported_from(_)),
             clause(Module:Head, Body),
             sub_term(Called, Body),
             callable(Called),
             catches(Called)
           ),
           ( functor(Head, Name, Arity),
             functor(Called, What, WhatArity),
             throw(error(unsafe_rule(Name/Arity, What/WhatArity), _))
           )).

defined_in(Module, Head) :-
    predicate_property(Module:Head, number_of_clauses(_)),
    \+ predicate_property(Module:Head, imported_from(_)).

catches(catch(_, _, _)).
catches(catch_with_backtrace(_, _, _)).
catches(setup_call_cleanup(_, _, _)).
catches(setup_call_catcher_cleanup(_, _, _, _)).
catches(call_cleanup(_, _)).

:- multifile prolog:error_message//1.

prolog:error_message(unsafe_rule(Rule, Called)) -->
    [ '~q calls ~q, which a rule may not: it could not be stopped'-[Rule, Called] ].
