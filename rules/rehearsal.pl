:- encoding(utf8).
:- module(rehearsal,
          [ rehearse/0
          ]).
:- use_module(library(lists)).
:- use_module(store).
:- use_module(policy).
:- use_module(placement).
:- use_module(membership).
:- use_module(schedules).
:- use_module(phase_routes).
:- use_module(replacing).
:- use_module(negotiation).

/** <module> Every kind of decision, made once before the first that counts
*/

%!  rehearse is det.
%
%   Every shipped policy has decided once, on a machine that is forgotten again. Libraries resolve some of their
%   own calls when they are first made, which takes a few inferences; as a decision's inferences are
%   simulated time, the first one of a session must not differ from the next.

rehearse :-
    forall(member(Policy, [load_balance, near]), rehearse(Policy)),
    policies(Policies),
    forall(( member(policy(Policy, _), Policies), \+ memberchk(Policy, [load_balance, near]) ),
           catch(rehearse_choice(Policy), error(policy_error(_), _), true)).

%   rehearse_choice(+Policy): of the other policies only their own rules are new. What is wrong with a user's is told when it
%   decides.

rehearse_choice(Policy) :-
    snapshot(( rehearsal_machine,
               request(Policy, 1, 2, any, none, 0, _),
               request(Policy, 2, 2, any, "B 1\nG 1.5 10 5 80\nH 3 10 8 auto\n", 0, _),
               allowed(span(Policy, 2, any, _)),
               replace(Policy, _)
             )).

%   rehearse(+Policy): everything, by one that shrinks what others have and by one that refuses.

rehearse(Policy) :-
    snapshot(( rehearsal_machine,
               request(Policy, 1, 2, any, none, 0, _),
               request(Policy, 2, 2, any, "B 1\nG 1.5 10 5 80 # gang\nH 3 10 8 auto\nS 1 10\n", 0, _),
               allowed(phase_route(2, _)),
               change_phase(2, 1),
               allowed(span(Policy, 2, any, _)),
               allowed(present(1, 0, "B 1\nG 1 10 1\n", _)),
               allowed(join(1, 0, main, _)),
               allowed(phase_route(1, _)),
               rehearse_slots(Policy),
               release(2),
               replace(Policy, _)
             )),
    rehearse_negotiation(Policy),
    catch(snapshot(( rehearsal_machine,
                     request(Policy, 1, 3, any, "H 7 10 8\n", 0, _),
                     request(Policy, 2, 4, [0, 1, 2, 3], "group a 0-1\nH 8 10\ngroup b\nB 2\n", 0, _)
                   )),
          error(placement_error(_), _),
          true).

%   Gangs side by side, in several combinations, that shrink, and change.

rehearse_slots(Policy) :-
    forall(( member(Step,
                    [ request(Policy, 3, 2, [1, 2], any, "G 3 10 3\nB 1\n", 0, _),
                      request(Policy, 4, 2, [1, 2], any, "B 1\nG 2 10 2\nG 3 20 8\n", 0, _),
                      request(Policy, 5, 2, [1, 2], any, "H 6 10 10 0\n", 0, _),
                      request(Policy, 6, 2, [1, 2], any, "G 4 10 4 0\nG 2 10 5\n", 0, _),
                      schedules_of(3),
                      phase_route(3, _),
                      leave(3, 1, _),
                      join(3, 1, main, _),
                      suppose(Policy, 7, 1, any, any, "G 4 10 4\n", 0, _)
                    ])
           ),
           allowed(Step)).

%   A team that gives up a core, is virtualised, and is a gang again; and who asks it.

rehearse_negotiation(Policy) :-
    snapshot(( rehearsal_machine,
               forall(member(Step,
                             [ request(Policy, 1, 4, [0, 1, 2, 3], any, "G 8 10 8\n", 0, _),
                               offer(1, spare, 3, _),
                               offer(1, want, 1, _),
                               room_by_asking(Policy, 1, [3], any, "H 5 10\n", 0, _),
                               spared(3, _),
                               ask(1, count(1), _),
                               given_up(1, 3, _),
                               ask(1, cores([2]), _),
                               virtualise(1, [2], [2], _),
                               given_up(1, 2, _),
                               gangs_again(1, _),
                               request(Policy, 2, 2, [2, 3], any, "H 8 10\n", 0, _),
                               ask(2, count(1), _),
                               virtualise(2, [3], [1], _)
                             ]),
                      allowed(Step))
             )).

schedules_of(Domain) :-
    next_schedules(Domain, Combinations, _),
    forall(member(Combination, Combinations), schedule(Combination, _)).

%   allowed(:Goal): a policy may refuse some of it.

:- meta_predicate allowed(0).

allowed(Goal) :-
    catch(ignore(Goal), Ball, expected(Ball)).

expected(error(placement_error(_), _)).
expected(need_exact).                   % which loads what is not loaded at the start

rehearsal_machine :-
    findall(cpu_thread(Core, Package, 0, Thread),
            ( member(Core, [0, 1, 2, 3]), Package is Core // 2, Thread is Core mod 2 ),
            Facts),
    forget_machine,
    findall(cpu_clock(Core, 1000000000), member(Core, [0, 1, 2, 3]), Clocks),
    append(Facts, Clocks, All),
    load_facts(boot, [ht_link(0, 1), cost(timeslice, 1, ms, "")|All]).
