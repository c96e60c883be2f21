:- encoding(utf8).
:- module(record_grammar,
          [ parse_query/2               % +Text, -Query
          ]).
:- use_module(library(lists)).
:- use_module(regular_expression, [check_expression/1]).

/** <module> The language of records and queries

As Barrelfish's Octopus has it (scan.l, parse.y), for records and for queries alike:

    record     = name [ "{" [ attribute { "," attribute } ] "}" ]
    name       = identifier | "_" | regex
    attribute  = identifier ( ":" ( value | "_" | regex ) | ( ">" | ">=" | "<" | "<=" | "==" | "!=" ) value )
    value      = identifier | string | integer | float | "true" | "false"
    identifier = a-z { a-z | A-Z | 0-9 | "." | "_" | "-" }
    string     = "'" characters "'"
    regex      = "r'" regular expression "'"

Blanks and new lines may stand between any two of these. In quotes `\'` is a quote and, in strings, `\\` a backslash,
which Barrelfish has not; any other backslash is one. Integers have 64 bits.
*/

%!  parse_query(+Text, -Query) is det.
%
%   Query is query(Name, Attributes, Conditions): Name is name(Atom), any or matching(Expression); Attributes are those
%   with a value, Attribute=Value each, in the order of Text; Conditions the others, as condition(Attribute, Operator,
%   Value), where Operator is one of those above, `matching`, or `any` (Value is then `any`, too). An identifier is an
%   atom, so are true and false; a string is a string.
%
%   @error record_syntax(Line, Column, Text)

parse_query(Text, Query) :-
    string_codes(Text, Codes),
    catch(phrase(record(Query), Codes, []),
          record_expected(What, Rest),
          misread(Codes, Rest, What)).

%   What was expected where Rest is left, in words.

misread(Codes, Rest, Said) :-
    append(Before, Rest, Codes),
    !,
    place(Before, 1, Line, 1, Column),
    (   Said = wrong(What)
    ->  Text = What
    ;   found(Rest, Found),
        format(string(Text), "expected ~w, found ~w", [Said, Found])
    ),
    throw(error(record_syntax(Line, Column, Text), _)).

place([], Line, Line, Column, Column).
place([Code|Codes], Line0, Line, Column0, Column) :-
    (   Code == 0'\n
    ->  Line1 is Line0 + 1,
        place(Codes, Line1, Line, 1, Column)
    ;   Column1 is Column0 + 1,
        place(Codes, Line0, Line, Column1, Column)
    ).

found(Rest, Found) :-
    (   Rest == []
    ->  Found = "the end"
    ;   phrase(token(Token), Rest, _),
        format(string(Found), "~s", [Token])
    ).

%   What an error shows: a word, or one sign.

token([C|Cs]) --> word_code(C), !, word_rest(Cs, 24).
token([C]) --> [C].

word_rest([C|Cs], Most) --> { Most > 0 }, word_code(C), !, { Less is Most - 1 }, word_rest(Cs, Less).
word_rest([], _) --> [].

word_code(C) --> [C], { code_type(C, csym) }.

expected(What, Rest, _) :-
    throw(record_expected(What, Rest)).

record(query(Name, Attributes, Conditions)) -->
    blanks,
    name(Name),
    blanks,
    (   "{"
    ->  blanks,
        (   "}"
        ->  { Attributes = [], Conditions = [] }
        ;   attributes(Attributes, Conditions)
        ),
        blanks,
        end("the end")
    ;   { Attributes = [], Conditions = [] },
        end("{ or the end")
    ).

end(_, [], []) :- !.
end(What, Rest, _) :-
    expected(What, Rest, _).

blanks --> [C], { code_type(C, space) }, !, blanks.
blanks --> [].

name(Name) -->
    (   "r'"
    ->  regex(Expression),
        { Name = matching(Expression) }
    ;   "_", \+ word_code(_)
    ->  { Name = any }
    ;   identifier(Identifier)
    ->  { Name = name(Identifier) }
    ;   expected("a record's name (a-z first), _ or r'...'")
    ).

identifier(Identifier) -->
    [C], { C >= 0'a, C =< 0'z },
    identifier_rest(Cs),
    { atom_codes(Identifier, [C|Cs]) }.

identifier_rest([C|Cs]) -->
    [C], { identifier_code(C) },
    !,
    identifier_rest(Cs).
identifier_rest([]) --> [].

identifier_code(C) :- C >= 0'a, C =< 0'z, !.
identifier_code(C) :- C >= 0'0, C =< 0'9, !.
identifier_code(C) :- C >= 0'A, C =< 0'Z, !.
identifier_code(C) :- memberchk(C, `._-`).

attributes(Attributes, Conditions) -->
    attribute(Attributes, Attributes1, Conditions, Conditions1),
    blanks,
    (   "}"
    ->  { Attributes1 = [], Conditions1 = [] }
    ;   ","
    ->  blanks,
        attributes(Attributes1, Conditions1)
    ;   expected(", or }")
    ).

attribute(Attributes0, Attributes, Conditions0, Conditions) -->
    (   identifier(Name)
    ->  []
    ;   expected("an attribute's name (a-z first)")
    ),
    blanks,
    (   operator(Operator)
    ->  blanks,
        value(Value),
        { Conditions0 = [condition(Name, Operator, Value)|Conditions], Attributes = Attributes0 }
    ;   ":"
    ->  blanks,
        given(Name, Attributes0, Attributes, Conditions0, Conditions)
    ;   expected(": or one of == != < <= > >=")
    ).

operator(==)   --> "==".
operator('!=') --> "!=".
operator(>=)   --> ">=".
operator(<=)   --> "<=".
operator(>)    --> ">".
operator(<)    --> "<".

given(Name, Attributes0, Attributes, Conditions0, Conditions) -->
    (   "r'"
    ->  regex(Expression),
        { Conditions0 = [condition(Name, matching, Expression)|Conditions], Attributes = Attributes0 }
    ;   "_", \+ word_code(_)
    ->  { Conditions0 = [condition(Name, any, any)|Conditions], Attributes = Attributes0 }
    ;   value(Value),
        { Attributes0 = [Name=Value|Attributes], Conditions = Conditions0 }
    ).

value(Value) -->
    (   "'"
    ->  quoted(Codes),
        { string_codes(Value, Codes) }
    ;   number(Value)
    ->  []
    ;   identifier(Value)
    ->  []
    ;   expected("a value (an identifier, 'text', a number, true or false)")
    ).

%   quoted(-Codes): what stands before the closing quote.

quoted(Codes, Before, Rest) :-
    (   phrase(characters(Codes0), Before, Rest0)
    ->  Codes = Codes0,
        Rest = Rest0
    ;   throw(record_expected(wrong("a quote is opened before this that nothing closes"), Before))
    ).

characters([]) --> "'", !.
characters([C|Cs]) --> "\\", [C], { C == 0'\' ; C == 0'\\ }, !, characters(Cs).
characters([C|Cs]) --> [C], characters(Cs).

%   regex(-Expression): an expression that is one, and the closing quote.

regex(Expression, Before, Rest) :-
    (   phrase(expression_characters(Codes), Before, Rest0)
    ->  Rest = Rest0,
        atom_codes(Expression, Codes),
        catch(check_expression(Expression),
              error(regular_expression(Position, Text), _),
              misread_expression(Before, Position, Text))
    ;   throw(record_expected(wrong("a quote is opened before this that nothing closes"), Before))
    ).

expression_characters([]) --> "'", !.
expression_characters([C|Cs]) --> "\\'", !, { C = 0'\' }, expression_characters(Cs).
expression_characters([0'\\, C|Cs]) --> "\\", !, [C], expression_characters(Cs).
expression_characters([C|Cs]) --> [C], expression_characters(Cs).

misread_expression(Before, Position, Text) :-
    Skipped is Position - 1,
    (   length(Front, Skipped),
        append(Front, Rest, Before)
    ->  true
    ;   Rest = Before
    ),
    format(string(Said), "in the regular expression: ~w", [Text]),
    throw(record_expected(wrong(Said), Rest)).

%   number(-Number): an integer of 64 bits, or a float.

number(Number, Before, Rest) :-
    phrase(number_text(Codes), Before, Rest),
    !,
    (   catch(number_codes(Number, Codes), error(_, _), fail),
        (   float(Number)
        ->  true
        ;   Number >= -0x8000000000000000,
            Number =< 0x7fffffffffffffff
        )
    ->  true
    ;   throw(record_expected(wrong("the number is too large; integers have 64 bits"), Before))
    ).

%   number_text(-Codes): a number as Prolog writes it, with digits on both sides of the point.

number_text(Codes) -->
    sign(Codes, Unsigned),
    digits(Unsigned, Fraction),
    (   { Unsigned \== Fraction },
        ".", digit(D)
    ->  { Fraction = [0'., D|Part] },
        digits(Part, Exponent),
        exponent(Exponent, [])
    ;   { Unsigned == Fraction }
    ->  ".", digit(D),
        { Fraction = [0'0, 0'., D|Part] },
        digits(Part, Exponent),
        exponent(Exponent, [])
    ;   exponent(Exponent, [])
    ->  { Exponent == [] -> Fraction = [] ; Fraction = [0'., 0'0|Exponent] }
    ).

sign([0'-|Cs], Cs) --> "-", !.
sign(Cs, Cs) --> "+", !.
sign(Cs, Cs) --> [].

digits([D|Ds], Rest) --> digit(D), !, digits(Ds, Rest).
digits(Rest, Rest) --> [].

digit(D) --> [D], { D >= 0'0, D =< 0'9 }.

exponent([0'e, Sign, D|Ds], Rest) -->
    ( "e" ; "E" ),
    (   "-"
    ->  { Sign = 0'- }
    ;   "+"
    ->  { Sign = 0'+ }
    ;   { Sign = 0'+ }
    ),
    digit(D),
    !,
    digits(Ds, Rest).
exponent(Rest, Rest) --> [].

:- multifile prolog:error_message//1.

prolog:error_message(record_syntax(Line, Column, Text)) -->
    [ 'line ~w, column ~w: ~w'-[Line, Column, Text] ].
