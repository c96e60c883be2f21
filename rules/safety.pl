:- encoding(utf8).
:- module(safety,
          [ must_touch_nothing/2,       % +Module, +Goal
            must_be_safe/2,             % +Module, +Heads
            forbidden/1                 % ?Name
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
:- use_module(communication).
:- use_module(pci).
:- use_module(interrupts).
:- use_module(costs).
:- use_module(admission, [utilisation/2]).
:- use_module(load).

/** <module> What rules from outside may do

They may look at facts, conclude, and compute; they may not touch files, processes, other modules or the facts
themselves. library(sandbox) follows every call that can be reached from an entry point. The vocabulary is
declared safe as a whole, for it only looks things up. Some of what library(sandbox) lets in is kept out by name:
what changes a module's clauses (a policy's own, or, named with its module, one of ours), what loads, what prints by way
of messages, and what catches exceptions, for it could catch the one that stops a runaway.
*/

:- multifile sandbox:safe_primitive/1.

%   One clause of sandbox:safe_primitive/1 for each predicate that rules may call.

term_expansion(safe_vocabulary, Clauses) :-
    findall((sandbox:safe_primitive(Module:Head)), may_call(Module, Head), Clauses).

may_call(facts, Head) :-
    declared(Name, Arity, fact, _, _, _),
    functor(Head, Name, Arity).
may_call(Module, Head) :-
    member(Module, [topology, distance, routes, memory, symmetry, multicast, communication, pci, interrupts, costs, load]),
    module_property(Module, exports(Exports)),
    member(Name/Arity, Exports),
    declared(Name, Arity, derived, _, _, _),
    functor(Head, Name, Arity).
may_call(store, fact_source(_, _)).
may_call(admission, utilisation(_, _)).

safe_vocabulary.

%!  must_touch_nothing(+Module, +Goal) is det.
%
%   Goal, called in Module, concludes and computes, whatever its variables are.
%
%   @error permission_error(call, sandboxed, Called) and others of library(sandbox)

must_touch_nothing(Module, Goal) :-
    must_name_nothing_forbidden(Goal),
    safe_goal(Module:Goal).

must_name_nothing_forbidden(Term) :-
    (   sub_term(Called, Term),
        nonvar(Called),
        kept_out(Called)
    ->  throw(error(permission_error(call, sandboxed, Called), _))
    ;   true
    ).

kept_out(Module:Called) :-
    atom(Module),
    callable(Called),
    current_module(Module).
kept_out(Called) :-
    callable(Called),
    functor(Called, Name, _),
    forbidden(Name).

%!  forbidden(?Name) is nondet.
%
%   Nothing of that name may be called, or handed over to be called, whatever its arguments.

forbidden(assert).
forbidden(asserta).
forbidden(assertz).
forbidden(retract).
forbidden(retractall).
forbidden(abolish).
forbidden(@).
forbidden(use_module).
forbidden(ensure_loaded).
forbidden(load_files).
forbidden(consult).
forbidden(print_message).
forbidden(print_message_lines).
forbidden(message_to_codes).
forbidden(catch).
forbidden(catch_with_backtrace).
forbidden(setup_call_cleanup).
forbidden(setup_call_catcher_cleanup).
forbidden(call_cleanup).

%!  must_be_safe(+Module, +Heads) is det.
%
%   What Module defines may be called through any of Heads.
%
%   @error permission_error(call, sandboxed, Called) and others of library(sandbox)

must_be_safe(Module, Heads) :-
    forall(( predicate_property(Module:Head, number_of_clauses(_)),
             \+ predicate_property(Module:Head, imported_from(_)),
             clause(Module:Head, Body)
           ),
           must_name_nothing_forbidden(Body)),
    forall(( member(Head, Heads), defined_in(Module, Head) ),
           safe_goal(Module:Head)).

defined_in(Module, Head) :-
    predicate_property(Module:Head, number_of_clauses(_)),
    \+ predicate_property(Module:Head, imported_from(_)).
