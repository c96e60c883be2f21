:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/skb').
:- use_module('../../rules/safety').

%   A module of rules as a user's file makes one.

:- dynamic mine:open_file/0, mine:counts/1.
:- assertz(mine:(open_file :- open('/tmp/x', read, _))).
:- assertz(mine:(counts(N) :- findall(C, member(C, [1, 2]), Cs), length(Cs, N))).

:- begin_tests(safety).

harmless(skb:core(_)).
harmless(skb:( core(C), C > 3 )).
harmless(skb:findall(C, core(C), _)).
harmless(mine:counts(_)).
harmless(skb:true).

harmful(skb:open('/tmp/x', read, _)).
harmful(skb:shell("true")).
harmful(skb:assertz(core(99))).
harmful(skb:( core(_), halt )).
harmful(skb:findall(X, consult(X), _)).
harmful(store:forget_machine).
harmful(mine:open_file).
harmful(skb:forall(core(_), write_canonical(user_error, a))).

test(what_concludes_and_computes_may_be_called, forall(harmless(Module:Goal))) :-
    must_touch_nothing(Module, Goal).
test(what_touches_anything_may_not, [forall(harmful(Module:Goal)), throws(_)]) :-
    must_touch_nothing(Module, Goal).
test(a_module_of_rules_is_looked_at_through_its_heads) :-
    must_be_safe(mine, [counts(_)]).
test(and_refused_for_what_any_of_them_calls, throws(error(permission_error(_, _, _), _))) :-
    must_be_safe(mine, [counts(_), open_file]).
test(what_is_kept_out_is_named, forall(member(Name, [halt, shell, consult, assertz, open]))) :-
    (   forbidden(Name)
    ->  true
    ;   functor(Head, Name, 1),
        catch(( must_touch_nothing(user, Head), fail ), _, true)
    ).

:- end_tests(safety).
