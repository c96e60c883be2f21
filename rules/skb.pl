:- encoding(utf8).
:- module(skb, []).

/** <module> Where a user's goal runs

Module `skb` sees every fact and every derived predicate of the vocabulary. Rules that a user brings are
loaded into modules of their own, which import from this one.
*/

:- use_module(apriori, []).
:- use_module(proof, []).
:- use_module(examples, []).
:- use_module(units, []).
:- use_module(vacating, []).
:- use_module(membership, []).
