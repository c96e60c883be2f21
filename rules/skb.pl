:- encoding(utf8).
:- module(skb, []).

/** <module> Where a user's goal runs

Module `skb` sees every fact and every derived predicate of the vocabulary. Rules that a user brings are
loaded into modules of their own, which import from this one.
*/

:- reexport(vocabulary, [declared/6]).
:- reexport(store, [fact_source/2, contradiction/4]).
:- reexport(topology).
:- reexport(distance).
:- reexport(costs).

:- add_import_module(skb, facts, start).
