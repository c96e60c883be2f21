:- encoding(utf8).
:- module(regular_expression_grammar,
          [ expression_tree/2,          % +Expression, -Tree
            class/2                     % ?Class, ?Ranges
          ]).
:- use_module(library(lists)).

/** <module> What may stand in a regular expression

As Perl and PCRE write them, as far as an automaton goes:

    c  \c  .            that character (\ before a sign), any but a newline
    [a-z_]  [^a-z_]     one of them, none of them; in them also \d \w \s \D \W \S, and [:alpha:] and its like
    \d \w \s \D \W \S   a digit, a letter or digit or _, white space (of ASCII), and what is not
    \n \t \r \f \v \e \xHH \x{H...}
    e* e+ e? e{2} e{2,} e{2,5}      and with ? behind, which changes nothing about whether a text matches
    ee  e|e  (e)  (?:e)
    ^  $  \A  \z  \b  \B            the text's start and end, a word's edge, and where none is

What no automaton does is refused: look-around, references back, and the possessive and atomic forms that only steer
backtracking.
*/

%!  expression_tree(+Expression:atom, -Tree) is det.
%
%   Tree is what Expression says: empty, one(Set), place(start|end|edge|inside), then(A, B), or(A, B), many(A). A Set is a
%   list of From-To, any_of(Class), none_of(Class), or all_but(Set).
%
%   @error regular_expression(Position, Text): at that character (from 1) stands something else

expression_tree(Expression, Tree) :-
    atom_codes(Expression, Codes),
    length(Codes, Length),
    phrase(alternatives(Length, Tree), Codes, Rest),
    (   Rest == []
    ->  true
    ;   position(Rest, Length, Position),
        wrong(Position, "there is no ( for this )")
    ).

position(Rest, Length, Position) :-
    length(Rest, Left),
    Position is Length - Left + 1.

wrong(Position, Text) :-
    throw(error(regular_expression(Position, Text), _)).

wrong(Length, Text, Rest, _) :-
    position(Rest, Length, Position),
    wrong(Position, Text).

alternatives(L, Tree) -->
    sequence(L, First),
    (   "|"
    ->  alternatives(L, Others),
        { Tree = or(First, Others) }
    ;   { Tree = First }
    ).

sequence(L, Tree) -->
    (   piece(L, First)
    ->  sequence(L, Others),
        { Others == empty -> Tree = First ; Tree = then(First, Others) }
    ;   { Tree = empty }
    ).

piece(L, Tree) -->
    atom(L, Atom),
    repeated(L, Atom, Tree).

repeated(L, Atom, Tree) -->
    (   times(L, From, To)
    ->  greed(L),
        (   again(L)
        ->  wrong(L, "a repetition is repeated; ( ) around the first makes it one thing")
        ;   { repeat_tree(From, To, Atom, Tree) }
        )
    ;   { Tree = Atom }
    ).

again(L, Codes, Codes) :-
    times(L, _, _, Codes, _),
    !.

times(_, 0, many) --> "*".
times(_, 1, many) --> "+".
times(_, 0, 1)    --> "?".
times(L, From, To) -->
    "{", number(From),
    (   ",", number(To0)
    ->  { To = To0 }
    ;   ","
    ->  { To = many }
    ;   { To = From }
    ),
    "}",
    !,
    (   { To \== many, To < From }
    ->  wrong(L, "the repetition before this ends below where it begins")
    ;   { From > 1000 ; To \== many, To > 1000 }
    ->  wrong(L, "the repetition before this is of more than 1000")
    ;   []
    ).

greed(L) -->
    (   "?"
    ->  []
    ;   peek(0'+)
    ->  wrong(L, "possessive repetition steers backtracking, of which there is none here; leave the + out")
    ;   []
    ).

peek(Code, [Code|Rest], [Code|Rest]).

number(N) -->
    digit(D),
    digits(Ds),
    { number_codes(N, [D|Ds]) }.

digits([D|Ds]) --> digit(D), !, digits(Ds).
digits([]) --> [].

digit(D) --> [D], { D >= 0'0, D =< 0'9 }.

%   repeat_tree(+From, +To, +Atom, -Tree): Atom so many times; To may be `many`.

repeat_tree(0, many, Atom, many(Atom)) :- !.
repeat_tree(0, 0, _, empty) :- !.
repeat_tree(0, To, Atom, or(empty, Tree)) :- !,
    (   To =:= 1
    ->  Tree = Atom
    ;   Less is To - 1,
        Tree = then(Atom, Others),
        repeat_tree(0, Less, Atom, Others)
    ).
repeat_tree(1, 1, Atom, Atom) :- !.
repeat_tree(From, To, Atom, then(Atom, Others)) :-
    From1 is From - 1,
    ( To == many -> To1 = many ; To1 is To - 1 ),
    repeat_tree(From1, To1, Atom, Others).

atom(L, Tree) -->
    (   peek(0'|) -> { fail }
    ;   peek(0')) -> { fail }
    ;   "(?:" -> group(L, Tree)
    ;   "(?"  -> wrong(L, "of groups that begin with (? only (?: is known; no automaton looks around")
    ;   "(*"  -> wrong(L, "commands to a matcher that backtracks are not known")
    ;   "("   -> group(L, Tree)
    ;   "["   -> bracketed(L, Tree)
    ;   "."   -> { Tree = one(all_but([10-10])) }
    ;   "^"   -> { Tree = place(start) }
    ;   "$"   -> { Tree = place(end) }
    ;   "\\"  -> escaped(L, Tree)
    ;   peek(Code), { memberchk(Code, `*+?`) }
    ->  wrong(L, "nothing to repeat before this")
    ;   [Code], { Tree = one([Code-Code]) }
    ).

group(L, Tree) -->
    alternatives(L, Tree),
    (   ")"
    ->  []
    ;   wrong(L, "expected )")
    ).

escaped(L, Tree) -->
    (   place_escape(Place) -> { Tree = place(Place) }
    ;   class_escape(Item)  -> { Tree = one([Item]) }
    ;   peek(Code), { Code >= 0'1, Code =< 0'9 }
    ->  wrong(L, "references back to a group are not known: no automaton remembers")
    ;   character_escape(L, Code)
    ->  { Tree = one([Code-Code]) }
    ).

place_escape(start)  --> "A".
place_escape(end)    --> "z".
place_escape(edge)   --> "b".
place_escape(inside) --> "B".

class_escape(any_of(digit))  --> "d".
class_escape(none_of(digit)) --> "D".
class_escape(any_of(word))   --> "w".
class_escape(none_of(word))  --> "W".
class_escape(any_of(space))  --> "s".
class_escape(none_of(space)) --> "S".

character_escape(L, Code) -->
    (   "x{" -> hexadecimal(L, 0, Code)
    ;   "x"  -> hex_digit(L, A), hex_digit(L, B), { Code is 16 * A + B }
    ;   [Letter], { letter_escape(Letter, Code0) } -> { Code = Code0 }
    ;   peek(Letter), { code_type(Letter, alnum) } -> wrong(L, "no such escape: \\ before this letter or digit")
    ;   [Code] -> []
    ;   wrong(L, "a \\ at the end escapes nothing")
    ).

letter_escape(0'n, 0'\n).
letter_escape(0't, 0'\t).
letter_escape(0'r, 0'\r).
letter_escape(0'f, 0'\f).
letter_escape(0'v, 0'\v).
letter_escape(0'e, 27).

hexadecimal(L, Code0, Code) -->
    (   "}"
    ->  { Code = Code0 }
    ;   hex_digit(L, D),
        { Code1 is 16 * Code0 + D },
        (   { Code1 =< 0x10FFFF }
        ->  hexadecimal(L, Code1, Code)
        ;   wrong(L, "no character has a number that large")
        )
    ).

hex_digit(L, D) -->
    (   [C], { code_type(C, xdigit(D0)) }
    ->  { D = D0 }
    ;   wrong(L, "expected a hexadecimal digit")
    ).

%   bracketed(+L, -Tree): what follows [. A ] that comes first stands for itself.

bracketed(L, one(Set)) -->
    (   "^"
    ->  { Set = all_but(Items) }
    ;   { Set = Items }
    ),
    (   "]"
    ->  { Items = [0']-0']|Others] }
    ;   { Items = Others }
    ),
    class_items(L, Others).

class_items(L, Items) -->
    (   "]"
    ->  { Items = [] }
    ;   class_item(L, Item)
    ->  { Items = [Item|Others] },
        class_items(L, Others)
    ;   wrong(L, "expected ] at the end of a class")
    ).

class_item(L, Item) -->
    (   "[:", posix(L, Item)
    ->  []
    ;   "\\", class_escape(Item)
    ->  []
    ;   class_character(L, From),
        (   "-", \+ peek(0'])
        ->  range_end(L, To),
            (   { To < From }
            ->  wrong(L, "the range before this ends below where it begins")
            ;   { Item = From-To }
            )
        ;   { Item = From-From }
        )
    ).

range_end(L, To) -->
    (   "\\", class_escape(_)
    ->  wrong(L, "a range ends in a character, not in a class")
    ;   class_character(L, To)
    ).

class_character(L, Code) -->
    (   "\\b" -> { Code = 8 }
    ;   "\\"  -> character_escape(L, Code)
    ;   [Code]
    ).

posix(L, Item) -->
    (   "^"
    ->  { Item = none_of(Class) }
    ;   { Item = any_of(Class) }
    ),
    letters(Codes), ":]",
    { atom_codes(Name, Codes) },
    (   { class(Name, _) }
    ->  { Class = Name }
    ;   wrong(L, "no class has the name before this; alpha, digit, alnum, upper, lower, space, blank, punct, xdigit, word have")
    ).

letters([C|Cs]) --> [C], { C >= 0'a, C =< 0'z }, !, letters(Cs).
letters([]) --> [].

%!  class(?Class, ?Ranges) is nondet.
%
%   A class of characters, as ranges of codes.
%   Of ASCII alone, whatever the locale is, as in PCRE where nothing else is asked for.

class(alpha,  [0'a-0'z, 0'A-0'Z]).
class(digit,  [0'0-0'9]).
class(alnum,  [0'a-0'z, 0'A-0'Z, 0'0-0'9]).
class(upper,  [0'A-0'Z]).
class(lower,  [0'a-0'z]).
class(space,  [9-13, 32-32]).
class(blank,  [9-9, 32-32]).
class(punct,  [33-47, 58-64, 91-96, 123-126]).
class(xdigit, [0'0-0'9, 0'a-0'f, 0'A-0'F]).
class(word,   [0'a-0'z, 0'A-0'Z, 0'0-0'9, 0'_-0'_]).

