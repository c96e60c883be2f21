:- encoding(utf8).
:- module(record_store,
          [ record/2,                   % ?Name, ?Attributes
            record_attribute/3,         % ?Name, ?Attribute, ?Value
            held/4,                     % +Name, ?Attributes, ?Owner, ?Revision
            matching/2,                 % +Query, -Name
            matching_names/2,           % +Query, -Names
            first_matching/2,           % +Query, -Name
            satisfies/3,                % +Query, +Name, +Attributes
            query_key/2,                % +Query, -Key
            record_key/3,               % +Name, +Attributes, -Key
            hold/5,                     % +Name, +Attributes, +Owner, -Record, -Before
            let_go/2,                   % +Name, -Record
            next_in_sequence/3,         % +Name, -Number, -Numbered
            leased_to/2,                % +Owner, -Names
            naturally_sorted/2,         % +Names, -Sorted
            no_records/0
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(apply)).
:- use_module(regular_expression, [matches/2]).

/** <module> The records, and which of them a query means

A record is a name with attributes; it belongs to whoever set it last (a domain's number; 0 is the user, who never
dies). Each time it is set it gets a revision, larger than any before. Records are no facts of the machine: no dump
states them and none is believed over another. Names are found at once, and so are records by an attribute that has a
given value, or that they have at all; a query of another kind looks at all of them.
*/

:- dynamic
       stored/4,                % Name, Attributes (sorted), Owner, Revision
       posting/3,               % Key of a value, Attribute, Name: the record has it
       sequence/2,              % Name, the number that was given last
       revision/1.

%!  record(?Name, ?Attributes) is nondet.
%
%   There is a record of that Name; Attributes is the list of its Attribute=Value, in order of the attributes.

record(Name, Attributes) :-
    stored(Name, Attributes, _, _).

%!  record_attribute(?Name, ?Attribute, ?Value) is nondet.
%
%   The record of that Name has the Attribute with that Value.

record_attribute(Name, Attribute, Value) :-
    (   nonvar(Name)
    ->  true
    ;   atom(Attribute)
    ->  ( atomic(Value) -> value_key(Value, Key) ; true ),
        posting(Key, Attribute, Name)
    ;   true
    ),
    stored(Name, Attributes, _, _),
    member(Attribute=Value, Attributes).

%   Both only look things up (library(sandbox) asks).

:- multifile sandbox:safe_primitive/1.

sandbox:safe_primitive(record_store:record(_, _)).
sandbox:safe_primitive(record_store:record_attribute(_, _, _)).

%!  held(+Name, ?Attributes, ?Owner, ?Revision) is semidet.
%
%   There is that record.

held(Name, Attributes, Owner, Revision) :-
    stored(Name, Attributes, Owner, Revision),
    !.

%!  matching_names(+Query, -Names) is det.
%
%   Names are those of all records that Query means, in natural order (x2 before x10).

matching_names(Query, Names) :-
    findall(Name, matching(Query, Name), Found),
    naturally_sorted(Found, Names).

%!  first_matching(+Query, -Name) is semidet.
%
%   Name is the first of them.

first_matching(Query, Name) :-
    (   Query = query(name(Name0), _, _)
    ->  Name = Name0,
        matching(Query, Name),
        !
    ;   matching_names(Query, [Name|_])
    ).

%!  matching(+Query, -Name) is nondet.
%
%   Name is that of a record that Query means; each comes once.

matching(query(NameSought, Given, Conditions), Name) :-
    candidate(NameSought, Given, Conditions, Name),
    stored(Name, Attributes, _, _),
    satisfies(query(NameSought, Given, Conditions), Name, Attributes).

%!  query_key(+Query, -Key) is det.
%
%   Every record that Query means has that record_key/3.

query_key(query(NameSought, Given, Conditions), Key) :-
    (   NameSought = name(Name)
    ->  Key = name(Name)
    ;   Given = [Attribute=_|_]
    ->  Key = attribute(Attribute)
    ;   Conditions = [condition(Attribute, _, _)|_]
    ->  Key = attribute(Attribute)
    ;   Key = any
    ).

%!  record_key(+Name, +Attributes, -Key) is multi.
%
%   Key is one of those under which a query may look for a record of that Name and these Attributes.

record_key(_, _, any).
record_key(Name, _, name(Name)).
record_key(_, Attributes, attribute(Attribute)) :-
    member(Attribute=_, Attributes).

%   candidate(+NameSought, +Given, +Conditions, -Name): no other Name can match.

candidate(name(Name), _, _, Name) :- !.
candidate(_, Given, Conditions, Name) :-
    (   Given = [Attribute=Value|_]
    ;   memberchk(condition(Attribute, ==, Value), Conditions)
    ),
    !,
    value_key(Value, Key),
    posting(Key, Attribute, Name).
candidate(_, _, [condition(Attribute, _, _)|_], Name) :- !,
    posting(_, Attribute, Name).
candidate(_, _, _, Name) :-
    stored(Name, _, _, _).

%!  satisfies(+Query, +Name, +Attributes) is semidet.
%
%   A record of that Name and these Attributes is one that Query means. Numbers are compared with numbers, identifiers
%   and strings with each other by their characters, true and false with each other; nothing else is comparable, so
%   that no condition holds of it.

satisfies(query(NameSought, Given, Conditions), Name, Attributes) :-
    all_given(Given, Attributes),
    all_hold(Conditions, Attributes),
    named(NameSought, Name).

named(any, _).
named(name(Name), Name).
named(matching(Expression), Name) :-
    matches(Expression, Name).

all_given([], _).
all_given([Attribute=Value|Given], Attributes) :-
    memberchk(Attribute=Held, Attributes),
    holds(==, Held, Value),
    all_given(Given, Attributes).

all_hold([], _).
all_hold([condition(Attribute, Operator, Value)|Conditions], Attributes) :-
    memberchk(Attribute=Held, Attributes),
    holds(Operator, Held, Value),
    all_hold(Conditions, Attributes).

%   holds(+Operator, +Held, +Value)

holds(any, _, _) :- !.
holds(matching, Held, Expression) :- !,
    text(Held),
    matches(Expression, Held).
holds(Operator, Held, Value) :-
    number(Held),
    number(Value),
    !,
    numbers(Operator, Held, Value).
holds(Operator, Held, Value) :-
    text(Held),
    text(Value),
    !,
    text_to_string(Held, A),
    text_to_string(Value, B),
    compare(Order, A, B),
    ordered(Operator, Order).
holds(==, Held, Value) :- Held == Value, !.
holds('!=', Held, Value) :-
    boolean(Held),
    boolean(Value),
    Held \== Value.

numbers(==, A, B)   :- A =:= B.
numbers('!=', A, B) :- A =\= B.
numbers(<, A, B)    :- A < B.
numbers(<=, A, B)   :- A =< B.
numbers(>, A, B)    :- A > B.
numbers(>=, A, B)   :- A >= B.

ordered(==, =).
ordered('!=', Order) :- Order \== (=).
ordered(<, <).
ordered(<=, Order)   :- Order \== (>).
ordered(>, >).
ordered(>=, Order)   :- Order \== (<).

boolean(true).
boolean(false).

text(Value) :- string(Value), !.
text(Value) :- atom(Value), Value \== true, Value \== false.

%   value_key(+Value, -Key): values that == takes for equal have one key.

value_key(Value, Key) :-
    (   number(Value)
    ->  Float is float(Value),
        term_hash(Float, Key)
    ;   text(Value)
    ->  text_to_string(Value, String),
        term_hash(String, Key)
    ;   term_hash(boolean(Value), Key)
    ).

%!  hold(+Name, +Attributes, +Owner, -Record, -Before) is det.
%
%   Record is held from now on, in place of Before, which is `none` if there was none of that Name. A record is
%   record(Name, Attributes, Owner, Revision), its Attributes in order.

hold(Name, Given, Owner, record(Name, Attributes, Owner, Revision), Before) :-
    sort(1, @<, Given, Attributes),
    (   let_go(Name, Before0)
    ->  Before = Before0
    ;   Before = none
    ),
    next_revision(Revision),
    assertz(stored(Name, Attributes, Owner, Revision)),
    forall(member(Attribute=Value, Attributes),
           ( value_key(Value, Key), assertz(posting(Key, Attribute, Name)) )).

next_revision(Revision) :-
    (   retract(revision(Last))
    ->  true
    ;   Last = 0
    ),
    !,
    Revision is Last + 1,
    assertz(revision(Revision)).

%!  let_go(+Name, -Record) is semidet.
%
%   Record was held until now.

let_go(Name, record(Name, Attributes, Owner, Revision)) :-
    retract(stored(Name, Attributes, Owner, Revision)),
    !,
    retractall(posting(_, _, Name)).

%!  next_in_sequence(+Name, -Number, -Numbered) is det.
%
%   Numbered is Name followed by Number, which counts from 0 for each Name and is never given again.

next_in_sequence(Name, Number, Numbered) :-
    (   retract(sequence(Name, Last))
    ->  true
    ;   Last = -1
    ),
    !,
    Next is Last + 1,
    assertz(sequence(Name, Next)),
    atom_concat(Name, Next, Numbered0),
    (   stored(Numbered0, _, _, _)
    ->  next_in_sequence(Name, Number, Numbered)
    ;   Number = Next,
        Numbered = Numbered0
    ).

%!  leased_to(+Owner, -Names) is det.
%
%   Names are those of the records of Owner, oldest first.

leased_to(Owner, Names) :-
    findall(Revision-Name, stored(Name, _, Owner, Revision), Pairs),
    keysort(Pairs, Sorted),
    pairs_values(Sorted, Names).

%!  naturally_sorted(+Names, -Sorted) is det.
%
%   Sorted has the Names, each once, in an order in which digits count as the number they are.

naturally_sorted(Names, Sorted) :-
    maplist(natural_key, Names, Keys),
    pairs_keys_values(Pairs, Keys, Names),
    sort(Pairs, SortedPairs),
    pairs_values(SortedPairs, Sorted).

natural_key(Name, Key) :-
    atom_codes(Name, Codes),
    pieces(Codes, Key).

%   Text and numbers by turns, so that like is compared with like.

pieces([], []) :- !.
pieces(Codes, [Text, Number|Pieces]) :-
    split(Codes, Letters, Digits, Rest),
    atom_codes(Text, Letters),
    ( Digits == [] -> Number = -1 ; number_codes(Number, Digits) ),
    pieces(Rest, Pieces).

split([C|Cs], Letters, Digits, Rest) :-
    (   C >= 0'0, C =< 0'9
    ->  Letters = [],
        digits([C|Cs], Digits, Rest)
    ;   Letters = [C|Letters1],
        split(Cs, Letters1, Digits, Rest)
    ).
split([], [], [], []).

digits([C|Cs], [C|Digits], Rest) :-
    C >= 0'0, C =< 0'9,
    !,
    digits(Cs, Digits, Rest).
digits(Rest, [], Rest).

%!  no_records is det.
%
%   There are no records any more, and all counting starts anew.

no_records :-
    retractall(stored(_, _, _, _)),
    retractall(posting(_, _, _)),
    retractall(sequence(_, _)),
    retractall(revision(_)).
