:- encoding(utf8).
:- module(policy,
          [ policy/2,                   % +Name, +Description
            policies/1,                 % -Policies
            load_policy/2,              % +File, -Name
            load_policy/3,              % +File, -Name, -Warnings
            load_shipped/0,
            policy_file/2,              % +Name, -File
            use_policy/1,               % +Name
            policy_in_use/1,            % -Name
            policy_shortage/2,          % +Name, -Shortage
            policy_places/1,            % +Name
            policy_place/4,             % +Name, +Dispatchers, +Cores, -Placement
            policy_slack/3,             % +Name, +Dispatchers, -Weights
            ranking/4                   % +Name, +Dispatcher, +Cores, -Ranking
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(sandbox), []).
:- use_module(vocabulary).
:- use_module(load, []).
:- use_module(safety).

/** <module> Placement policies

A policy is a file of Prolog that says which core a dispatcher should have:

    :- policy(near, "one package, least loaded first").
    cost(Dispatcher, Core, Cost) :-
        load(Core, Load), spread(Dispatcher, Core, Hops),
        Cost is Load + 10*Hops.

  - cost(Dispatcher, Core, Cost) ranks the cores for a dispatcher: the one of least Cost (a number) is
    taken, of several the first. A core for which it fails is forbidden.
  - place(Dispatchers, Cores, Placement), where it is defined, takes the whole decision: Placement has
    a Dispatcher-Core for each of Dispatchers.
  - shortage(reduce) says that all hard real-time allocations shrink equally when there is not enough
    time for a request; without it the request is refused.

It sees all facts and derived predicates, and of the decision under way load/2, sibling_load/2,
package_load/2, peers/2, package_peers/2 and spread/3 (load.pl). Each policy lives in a module of its own.
The shipped ones are the files of rules/policies.
*/

:- dynamic
       known/3,                         % Name, Description, Module
       in_use/1.                        % Name

%!  policy(+Name, +Description) is det.
%
%   Directive that opens a policy's file.

policy(Name, Description) :-
    (   prolog_load_context(module, Module),
        Module \== user
    ->  retractall(known(Name, _, _)),
        assertz(known(Name, Description, Module))
    ;   throw(error(policy_error("a policy is a file of its own; policy load FILE loads it"), _))
    ).

%   The sandbox lets the directive pass: all it does is to note the policy's name.

:- multifile sandbox:safe_directive/1, sandbox:safe_primitive/1.

sandbox:safe_directive(policy(_, _)).
sandbox:safe_directive(_:policy(_, _)).
sandbox:safe_primitive(policy:policy(_, _)).

%!  policies(-Policies) is det.
%
%   Policies is a list of policy(Name, Description), by name.

policies(Policies) :-
    findall(policy(Name, Description), known(Name, Description, _), Policies0),
    sort(Policies0, Policies).

%!  load_policy(+File, -Name) is det.
%!  load_policy(+File, -Name, -Warnings:list(string)) is det.
%
%   The policy in File is known by Name from now on, in place of one of that name before. What is loaded from
%   outside rules/policies may do no harm (safety.pl). A file with an error in it is not a policy.
%
%   @error policy_error(Text), Text naming file and line

load_policy(File, Name) :-
    load_policy(File, Name, _).

load_policy(File, Name, Warnings) :-
    policy_name(File, Name),
    atom_concat(policy_, Name, Module),
    forall(( source_file_property(Other, load_context(Module, _, _)), Other \== File ),
           unload_file(Other)),
    prepare_module(Module),
    (   shipped(File)
    ->  Sandboxed = false
    ;   Sandboxed = true
    ),
    catch(load_checked(File, Name, Module, Sandboxed, Warnings), Error,
          ( retractall(known(Name, _, Module)), forget_use(Name), throw(Error) )).

load_checked(File, Name, Module, Sandboxed, Warnings) :-
    noting(load_files(Module:File, [silent(true), sandboxed(Sandboxed)]), Notes),
    (   member(note(error, Text), Notes)
    ->  throw(error(policy_error(Text), _))
    ;   findall(Text, member(note(warning, Text), Notes), Warnings)
    ),
    (   known(Name, _, Module),
        ( defines(Module, cost, 3) ; defines(Module, place, 3) )
    ->  true
    ;   format(string(Text), "~w: a policy defines cost/3 or place/3", [File]),
        throw(error(policy_error(Text), _))
    ),
    import_all(Module),
    (   Sandboxed == true
    ->  catch(must_be_safe(Module, [cost(_, _, _), place(_, _, _), shortage(_)]), Unsafe,
              unsafe(File, Unsafe))
    ;   true
    ).

unsafe(File, Error) :-
    message_text(Error, ErrorText),
    format(string(Text), "~w: ~w", [File, ErrorText]),
    throw(error(policy_error(Text), _)).

%   noting(:Goal, -Notes): Notes is a list of note(Severity, Text) of the messages of Goal, none of which is
%   printed.

:- meta_predicate noting(0, -).
:- dynamic note/2.
:- dynamic user:message_hook/3.
:- multifile user:message_hook/3.

noting(Goal, Notes) :-
    retractall(note(_, _)),
    setup_call_cleanup(
        asserta((user:message_hook(Term, Severity, _) :- policy:take_note(Severity, Term)), Hook),
        once(Goal),
        erase(Hook)),
    findall(note(Severity, Text), retract(note(Severity, Text)), Notes).

take_note(Severity, Term) :-
    memberchk(Severity, [error, warning]),
    message_text(Term, Text),
    (   Term = error(_, file(_, _, _, _))
    ->  Placed = Text                   % it names file and line itself
    ;   source_location(File, Line)
    ->  format(string(Placed), "~w:~w: ~w", [File, Line, Text])
    ;   Placed = Text
    ),
    assertz(note(Severity, Placed)).

message_text(Term, Text) :-
    '$messages':translate_message(Term, Lines, []),
    with_output_to(string(Lined), print_message_lines(current_output, '', Lines)),
    split_string(Lined, "\n", " \t\r", Parts0),
    exclude(==(""), Parts0, Parts),
    atomic_list_concat(Parts, ' ', Atom),
    atom_string(Atom, Text).

forget_use(Name) :-
    retractall(in_use(Name)).

%   What a policy may call is imported at once: looked up at its first call, it would make that call take a
%   few inferences more than the next, and a decision's inferences are simulated time.

import_all(Module) :-
    forall(( visible(Exporter, Name, Arity),
             \+ defines(Module, Name, Arity)
           ),
           @(Module:import(Exporter:Name/Arity), Module)).

visible(facts, Name, Arity) :-
    declared(Name, Arity, fact, _, _, _).
visible(Exporter, Name, Arity) :-
    declared(Name, Arity, derived, _, _, _),
    functor(Head, Name, Arity),
    (   predicate_property(skb:Head, imported_from(Exporter))
    ->  true
    ).
visible(load, Name, Arity) :-
    module_property(load, exports(Exports)),
    member(Name/Arity, Exports),
    \+ declared(Name, Arity, derived, _, _, _).

policy_name(File, Name) :-
    (   catch(setup_call_cleanup(open(File, read, In, [encoding(utf8)]),
                                 first_term(In, Term),
                                 close(In)),
              error(Formal, Context), throw(error(Formal, Context))),
        Term = (:- policy(Name, Description)),
        atom(Name),
        string(Description)
    ->  true
    ;   format(string(Text), "~w: expected :- policy(name, \"description\"). first", [File]),
        throw(error(policy_error(Text), _))
    ).

first_term(In, Term) :-
    read_term(In, Term0, []),
    (   Term0 = (:- encoding(_))
    ->  read_term(In, Term, [])
    ;   Term = Term0
    ).

prepare_module(Module) :-
    add_import_module(Module, skb, start),
    @(Module:import(policy:policy/2), Module).

shipped(File) :-
    shipped_folder(Folder),
    absolute_file_name(File, Absolute),
    file_directory_name(Absolute, Folder).

shipped_folder(Folder) :-
    module_property(policy, file(Here)),
    file_directory_name(Here, Rules),
    atom_concat(Rules, '/policies', Folder).

%!  use_policy(+Name) is det.
%
%   Placements are decided by that policy from now on.

use_policy(Name) :-
    must_be_known(Name, _),
    retractall(in_use(_)),
    assertz(in_use(Name)).

must_be_known(Name, Module) :-
    (   known(Name, _, Module)
    ->  true
    ;   policies(Policies),
        findall(Each, member(policy(Each, _), Policies), Names),
        atomic_list_concat(Names, ', ', Known),
        format(string(Text), "no policy ~w; there are ~w", [Name, Known]),
        throw(error(policy_error(Text), _))
    ).

%!  policy_file(+Name, -File) is det.
%
%   That policy is written in File.

policy_file(Name, File) :-
    must_be_known(Name, Module),
    source_file_property(File, load_context(Module, _, _)),
    !.

%!  policy_in_use(-Name) is det.
%
%   The policy that decides placements: load_balance (dissertation §3.6.1) unless another was chosen.

policy_in_use(Name) :-
    (   in_use(Chosen)
    ->  Name = Chosen
    ;   Name = load_balance
    ).

%!  policy_shortage(+Name, -Shortage) is det.
%
%   What happens where there is not enough time: `reduce` or `refuse`.

policy_shortage(Name, Shortage) :-
    known(Name, _, Module),
    (   defines(Module, shortage, 1),
        call(Module:shortage, Said)
    ->  Shortage = Said
    ;   Shortage = refuse
    ),
    !.

%!  policy_places(+Name) is semidet.
%
%   The policy takes whole decisions.

policy_places(Name) :-
    known(Name, _, Module),
    defines(Module, place, 3).

%!  policy_place(+Name, +Dispatchers, +Cores, -Placement) is semidet.
%
%   The policy's decision.

policy_place(Name, Dispatchers, Cores, Placement) :-
    known(Name, _, Module),
    once(call(Module:place, Dispatchers, Cores, Placement)).

%!  policy_slack(+Name, +Dispatchers:integer, -Weights:list) is det.
%
%   Weights has a Dispatcher-Weight for each of so many that the policy lets share what real time leaves, by
%   slack(Dispatcher, Weight).

policy_slack(Name, Dispatchers, Weights) :-
    known(Name, _, Module),
    Last is Dispatchers - 1,
    (   defines(Module, slack, 2)
    ->  findall(Dispatcher-Weight,
                ( between(0, Last, Dispatcher), once(call(Module:slack, Dispatcher, Weight)),
                  must_be_weight(Name, Dispatcher, Weight)
                ),
                Weights)
    ;   Weights = []
    ).

must_be_weight(Name, Dispatcher, Weight) :-
    (   integer(Weight), Weight >= 1, Weight =< 1000000
    ->  true
    ;   format(string(Text), "policy ~w: slack(~w, Weight) gives ~q, no weight from 1 to 1,000,000",
               [Name, Dispatcher, Weight]),
        throw(error(policy_error(Text), _))
    ).

%!  ranking(+Name, +Dispatcher, +Cores, -Ranking) is det.
%
%   Ranking is a list of Cost-Core, cheapest first and by number among equals, of those Cores that the
%   policy does not forbid to Dispatcher.

ranking(Name, Dispatcher, Cores, Ranking) :-
    known(Name, _, Module),
    (   defines(Module, cost, 3)
    ->  costs(Cores, Name, Module, Dispatcher, Ranking0)
    ;   Ranking0 = []
    ),
    sort(Ranking0, Ranking).

costs([], _, _, _, []).
costs([Core|Cores], Name, Module, Dispatcher, Ranking) :-
    (   call(Module:cost, Dispatcher, Core, Cost0)
    ->  (   number(Cost0)
        ->  Cost is float(Cost0)
        ;   format(string(Text), "policy ~w: cost(~w, ~w, Cost) gives ~q, no number",
                   [Name, Dispatcher, Core, Cost0]),
            throw(error(policy_error(Text), _))
        ),
        Ranking = [Cost-Core|Rest]
    ;   Ranking = Rest
    ),
    costs(Cores, Name, Module, Dispatcher, Rest).

defines(Module, Name, Arity) :-
    functor(Head, Name, Arity),
    predicate_property(Module:Head, number_of_clauses(_)),
    \+ predicate_property(Module:Head, imported_from(_)).

%!  load_shipped is det.
%
%   The policies of rules/policies are known.

load_shipped :-
    shipped_folder(Folder),
    atom_concat(Folder, '/*.pl', Pattern),
    expand_file_name(Pattern, Files),
    forall(member(File, Files), load_policy(File, _)).

:- multifile prolog:error_message//1.

prolog:error_message(policy_error(Text)) -->
    [ '~w'-[Text] ].
