:- encoding(utf8).
:- module(regular_expression,
          [ check_expression/1,         % +Expression
            matches/2                   % +Expression, +Text
          ]).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(regular_expression_grammar, [expression_tree/2, class/2]).

/** <module> Regular expressions that cannot run away

Names and values of records are matched by expressions that users write. They are matched by an automaton, whose time
is linear in the text whatever the expression: an expression becomes a nondeterministic automaton (Thompson, "Regular
expression search algorithm", CACM 1968), of which the deterministic one is made state by state as texts ask for it,
and kept. As in Barrelfish an expression may match anywhere in the text. What may stand in it,
regular_expression_grammar.pl says.
*/

:- dynamic
       automaton/2,             % Expression (an atom), Id
       node/3,                  % Id, State, Node of the nondeterministic automaton; state 0 is where it starts
       known_state/4,           % Hash, Id, States-Before, State of the deterministic one (unique among all)
       transition/2,            % Key of (State, Code), State
       at_end/2.                % State, whether the text may end there: true or false

largest(2000).                  % nodes of an automaton
most_kept(100000).              % clauses; beyond them all automata are forgotten and made anew

%!  check_expression(+Expression) is det.
%
%   Expression, a text, is a regular expression.
%
%   @error regular_expression(Position, Text): at that character (from 1) stands something else

check_expression(Expression) :-
    text_atom(Expression, Atom),
    automaton_of(Atom, _).

%!  matches(+Expression, +Text) is semidet.
%
%   A part of Text matches Expression. Takes time linear in the length of Text.
%
%   @error as check_expression/1

matches(Expression, Text) :-
    text_atom(Expression, Atom),
    automaton_of(Atom, Id),
    string_codes(Text, Codes),
    state_of(Id, []-start, State),
    run(Codes, Id, State).

text_atom(Text, Atom) :-
    (   atom(Text)
    ->  Atom = Text
    ;   atom_string(Atom, Text)
    ).

run([], Id, State) :-
    may_end(Id, State, true).
run([Code|Codes], Id, State) :-
    next_state(Id, State, Code, Next),
    (   Next == accepted
    ->  true
    ;   run(Codes, Id, Next)
    ).

%   -- the deterministic automaton, made as it is used

next_state(Id, State, Code, Next) :-
    Key is (State << 21) + Code,
    (   transition(Key, Next0)
    ->  Next = Next0
    ;   made_transition(Id, State, Code, Next),
        keep(transition(Key, Next))
    ).

made_transition(Id, State, Code, Next) :-
    content(State, States-Before),
    kind(Code, Kind),
    reached([0|States], Id, Before, Kind, Reached),
    (   memberchk(accept, Reached)
    ->  Next = accepted
    ;   findall(Target, ( member(one(Set, Target), Reached), in_set(Set, Code) ), Targets),
        sort(Targets, Sorted),
        state_of(Id, Sorted-Kind, Next)
    ).

may_end(Id, State, May) :-
    (   at_end(State, May0)
    ->  May = May0
    ;   content(State, States-Before),
        reached([0|States], Id, Before, end, Reached),
        (   memberchk(accept, Reached)
        ->  May = true
        ;   May = false
        ),
        keep(at_end(State, May))
    ).

content(State, Content) :-
    known_state(_, _, Content, State),
    !.

state_of(Id, Content, State) :-
    term_hash(Id-Content, Hash),
    (   known_state(Hash, Id, Content, State0)
    ->  State = State0
    ;   flag(regular_expression_states, State, State + 1),
        keep(known_state(Hash, Id, Content, State))
    ).

keep(Clause) :-
    flag(regular_expression_clauses, N, N + 1),
    assertz(Clause).

%   reached(+States, +Id, +Before, +After, -Nodes): the nodes that take a character, and accept, that are reached from
%   States without one, at a place between what Before and After say.

reached(States, Id, Before, After, Nodes) :-
    reached(States, Id, Before, After, [], _, Nodes, []).

reached([], _, _, _, Seen, Seen, Nodes, Nodes).
reached([State|States], Id, Before, After, Seen0, Seen, Nodes0, Nodes) :-
    (   ord_memberchk(State, Seen0)
    ->  Seen1 = Seen0,
        More = [],
        Nodes1 = Nodes0
    ;   ord_add_element(Seen0, State, Seen1),
        node(Id, State, Node),
        (   follow(Node, Before, After, More)
        ->  Nodes1 = Nodes0
        ;   More = [],
            Nodes0 = [Node|Nodes1]
        )
    ),
    reached(More, Id, Before, After, Seen1, Seen2, Nodes1, Nodes2),
    reached(States, Id, Before, After, Seen2, Seen, Nodes2, Nodes).

%   follow(+Node, +Before, +After, -States): Node takes no character and leads to States from such a place.

follow(either(A, B), _, _, [A, B]).
follow(place(Place, Target), Before, After, States) :-
    (   holds(Place, Before, After)
    ->  States = [Target]
    ;   States = []
    ).

holds(start, start, _).
holds(end, _, end).
holds(edge, Before, After)   :- edge(Before, After).
holds(inside, Before, After) :- \+ edge(Before, After).

edge(Before, After) :-
    (   Before == word
    ->  After \== word
    ;   After == word
    ).

kind(Code, Kind) :-
    (   class(word, Ranges),
        in_ranges(Ranges, Code)
    ->  Kind = word
    ;   Kind = other
    ).

%   -- sets of characters: lists of From-To, any_of(Class), none_of(Class), or all_but(Set)

in_set(all_but(Set), Code) :- !,
    \+ in_set(Set, Code).
in_set(Items, Code) :-
    member(Item, Items),
    in_item(Item, Code),
    !.

in_item(From-To, Code) :-
    Code >= From,
    Code =< To.
in_item(any_of(Class), Code) :-
    class(Class, Ranges),
    in_ranges(Ranges, Code).
in_item(none_of(Class), Code) :-
    class(Class, Ranges),
    \+ in_ranges(Ranges, Code).

in_ranges([From-To|Ranges], Code) :-
    (   Code >= From,
        Code =< To
    ->  true
    ;   in_ranges(Ranges, Code)
    ).

%   -- from an expression to its automaton

automaton_of(Expression, Id) :-
    make_room,
    (   automaton(Expression, Id0)
    ->  Id = Id0
    ;   expression_tree(Expression, Tree),
        flag(regular_expressions, Id, Id + 1),
        phrase(nodes(Tree, 0, 1, 2, _), Nodes),
        forall(member(State-Node, [1-accept|Nodes]), keep(node(Id, State, Node))),
        keep(automaton(Expression, Id))
    ).

%   What was made is forgotten when it is much. Numbers are never given again: a transaction that is undone may bring
%   back what was forgotten in it.

make_room :-
    most_kept(Most),
    flag(regular_expression_clauses, N, N),
    (   N =< Most
    ->  true
    ;   retractall(automaton(_, _)),
        retractall(node(_, _, _)),
        retractall(known_state(_, _, _, _)),
        retractall(transition(_, _)),
        retractall(at_end(_, _)),
        flag(regular_expression_clauses, _, 0)
    ).

%   nodes(+Tree, +From, +To, +Free0, -Free): the nodes that lead from state From to To where Tree matches; Free0 is
%   the first number that no state has. Every state has exactly one node, those of To excepted.

nodes(empty, From, To, Free, Free) --> [From-either(To, To)].
nodes(one(Set), From, To, Free, Free) --> [From-one(Set, To)].
nodes(place(Place), From, To, Free, Free) --> [From-place(Place, To)].
nodes(then(A, B), From, To, Middle, Free) -->
    { Free0 is Middle + 1, small(Free0) },
    nodes(A, From, Middle, Free0, Free1),
    nodes(B, Middle, To, Free1, Free).
nodes(or(A, B), From, To, Free0, Free) -->
    { Left is Free0, Right is Free0 + 1, Free1 is Free0 + 2, small(Free1) },
    [From-either(Left, Right)],
    nodes(A, Left, To, Free1, Free2),
    nodes(B, Right, To, Free2, Free).
nodes(many(A), From, To, Free0, Free) -->
    { Loop is Free0, Body is Free0 + 1, Free1 is Free0 + 2, small(Free1) },
    [From-either(Loop, Loop), Loop-either(Body, To)],
    nodes(A, Body, Loop, Free1, Free).

small(Free) :-
    largest(Largest),
    (   Free =< Largest
    ->  true
    ;   throw(error(regular_expression(1, "the expression is too large; count less in {}"), _))
    ).
