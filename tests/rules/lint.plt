:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/skb').
:- use_module('../../rules/policy', []).
:- use_module('../../rules/lint').

%   said(+Text, +Kind, -Notes): Line-Severity-Message of each note.

said(Text, Kind, Notes) :-
    check_rules('f.pl', Text, Kind, Found),
    findall(Line-Severity-Message, member(note('f.pl', Line, Severity, Message), Found), Notes).

:- begin_tests(lint).

%   What is wrong, as a table of texts and all that is said of them.

wrong("a(X) :- core(X).\nb(X) :- shares_cach(X, 1, 3).\n",
      [2-error-"no predicate shares_cach/3; did you mean shares_cache/3?"]).
wrong("a(X) :- distance(X, 3).\n",
      [1-error-"no predicate distance/2; there is distance(a, b, latency)"]).
wrong("a(X) :- b(X).\nb(X, X).\n",
      [1-error-"no predicate b/1; there is b/2"]).
wrong("a(X) :- lod(0, X).\n",
      [1-error-"no predicate lod/2; did you mean load/2?"]).
wrong("a(X) :- nothing_like_it(X).\n",
      [1-error-"no predicate nothing_like_it/1; facts lists what there is"]).
wrong("a(X) :-\n    core(X),\n    \\+ findal(Y, core(Y), _).\n",
      [3-error-"no predicate findal/3; did you mean findall/3?"]).
wrong("a(Xs) :- maplist(twice, Xs, _).\n",
      [1-error-"no predicate twice/2; facts lists what there is"]).
wrong("a(X, Y) :- core(X).\n",
      [1-warning-"Y occurs once; write _ or _Y if that is meant"]).
wrong("a(_X, Y) :- core(_Z), core(Y).\n",
      []).
wrong("a(1).\nb(1).\na(2).\n",
      [3-warning-"clauses of a/1 are not together; the others are above"]).
wrong("core(X) :- X = 99.\n",
      [1-error-"core/1 is the vocabulary's; a rule may use it, not define it"]).
wrong("ht_link(1, 2).\n",
      [1-error-"ht_link/2 is the vocabulary's; a rule may use it, not define it"]).
wrong("mine(1).\nwrite(X) :- core(X).\n",
      [2-error-"write/1 is Prolog's own; choose another name"]).
wrong("user:a(1).\n",
      [1-error-"rules are defined in their own module; write no module before their name"]).
wrong("X :- core(X).\n",
      [1-error-"a rule concludes something; here a variable stands where its name should"]).
wrong("7 :- core(1).\n",
      [1-error-"7 is no predicate"]).
wrong("a --> b.\n",
      [1-error-"rules are clauses, Head :- Body, not grammar (-->)"]).
wrong(":- shell(ls).\n:- dynamic b/1.\n",
      [1-error-"a directive in a file of rules is dynamic/1, discontiguous/1 or table/1"]).
wrong(":- policy(p, \"a policy\").\n",
      [1-error-"policy/2 opens a policy's file; policy load loads it"]).
wrong("a :- open(f, read, _).\n",
      [1-error-"open/3 may not be called from rules; they conclude and compute, they touch nothing"]).
wrong("a :- forall(core(X), shell(X)).\n",
      [1-error-"shell/1 may not be called from rules; they conclude and compute, they touch nothing"]).
wrong("a(X) :- catch(core(X), _, true).\n",
      [1-error-"catch/3 may not be called from rules; they conclude and compute, they touch nothing"]).
wrong("a(X) :- store:forget(X).\n",
      [1-error-"rules call what they see; write no module before a call"]).
wrong("a(X) :- core(X), .\n",
      [1-error-"syntax error: operator balance"]).
wrong("a(X) :- core(X)\nb(1).\nc :- d(1).\n",
      [1-error-"syntax error: operator expected (is a full stop missing before?)"]).
wrong("a(X) :- core(X),",
      [1-error-"syntax error: end of file (is a full stop missing before?)"]).

test(what_is_wrong_is_said_with_its_line, [forall(wrong(Text, Notes)), true(Said == Notes)]) :-
    said(Text, rules, Said).

right("").
right("% nothing but a comment\n").
right("a(X) :- core(X), \\+ b(X), !.\nb(_).\n").
right(":- dynamic seen/1.\na(X) :- seen(X).\n").
right(":- table far/2.\nfar(A, B) :- hops(A, B, 2).\nfar(A, C) :- far(A, B), far(B, C).\n").
right("a(L) :- findall(X-Y, (core(X), ( hops(X, 0, 1) -> Y = 1 ; Y = 2 )), L0), keysort(L0, L).\n").
right("a(M) :- aggregate_all(max(D-B), distance(0, B, D), M).\n").
right("a(L) :- maplist([X, Y]>>(Y is X*2), [1, 2], L).\n").
right("a(P) :- load(0, L), format(atom(P), \"~w\", [L]).\n").
right("a(X) :- allocation(_, _, X), cost_of(ump_hop, _, _, _), package_peers(X, _).\n").

test(what_is_right_is_let_pass, [forall(right(Text)), true(Said == [])]) :-
    said(Text, rules, Said).

test(a_policy_has_a_head, Said == [1-error-"a policy begins with :- policy(name, \"description\")."]) :-
    said("cost(_, _, 1).\n", policy, Said).
test(a_policy_decides, Said == [1-error-"a policy defines cost/3 or place/3; it has costs/3"]) :-
    said(":- policy(p, \"p\").\ncosts(_, _, 1).\n", policy, Said).
test(a_policy_needs_three_arguments, Said == [1-error-"a policy defines cost/3 or place/3; it has cost/2"]) :-
    said(":- policy(p, \"p\").\ncost(_, 1).\n", policy, Said).
test(the_shipped_policies_pass, [forall(( policies(Policies), member(policy(Name, _), Policies) )), true(Notes == [])]) :-
    policy:policy_file(Name, File),
    read_file_to_string(File, Text, []),
    check_rules(File, Text, policy, Notes).

:- end_tests(lint).

:- use_module('../../rules/units').

:- begin_tests(units).

test(a_distance_is_in_cycles, Units == ['D'-cycles]) :-
    units_of_question("distance(0, X, D), X > 3\n.", Units).
test(within_a_condition_too, Units == ['H'-'Hz', 'S'-'B']) :-
    units_of_question("( clock_hz(0, H) -> findall(S, cache_of(0, 2, S, _), L) ; true )\n.", Units).
test(what_is_a_number_has_none, Units == []) :-
    units_of_question("core(X), member(Y, [1]), Z is X + Y, hops(0, X, H)\n.", Units).

:- end_tests(units).
