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
:- use_module(rehearsal, []).
:- use_module(membership, []).
:- use_module(matrix, []).
:- use_module(negotiation, []).
:- reexport(vocabulary, [declared/6]).
:- reexport(store, [fact_source/2]).
:- reexport(disagreement, [contradiction/4]).
:- reexport(consistency, [finding/3]).
:- reexport(topology).
:- reexport(eligibility, [isa_of/2, on_line/1]).
:- reexport(distance).
:- reexport(routes).
:- reexport(memory).
:- reexport(symmetry).
:- reexport(multicast).
:- reexport(communication).
:- reexport(costs).
:- reexport(clocks).
:- reexport(pci).
:- reexport(interrupts).
:- reexport(mesh).
:- reexport(take_home).
:- reexport(admission, [utilisation/2]).
:- reexport(load, [load/2, sibling_load/2, package_load/2, peers/2, package_peers/2, spread/3, least_loaded/2,
                       least_loaded_near/2]).
:- reexport(combinations, [component/2, next_combinations/2]).
:- reexport(schedules, [schedule/3]).
:- reexport(matrix, [ousterhout_rows/2]).
:- reexport(gang_slots, [asks/3, room_at/3, time_slots/2, busy_share/2, io_bound/1, gang_row/3]).
:- reexport(policy, [policies/1]).
:- reexport(placement, [explain/2]).
:- reexport(negotiation, [may_ask/2]).
:- reexport(records, [record/2, record_attribute/3]).

:- add_import_module(skb, facts, start).

:- policy:load_shipped.
:- rehearsal:rehearse.
