:- encoding(utf8).
:- use_module('../../rules/regular_expression').
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).

:- begin_tests(regular_expression).

test(a_part_of_the_text_is_enough) :- matches('obj.$', xobj1).
test(the_start_and_the_end_can_be_asked_for, [true(Found == [obj1])]) :-
    include(matches('^obj.$'), [obj1, obj12, obj, xobj1], Found).
test(alternatives_and_repetition, [true(Found == ["msg_6", "msg_7", "msg_66"])]) :-
    include(matches('^msg_(6|7){1,2}$'), ["msg_6", "msg_7", "msg_66", "msg_5", "msg_"], Found).
test(classes, [true(Found == ["spawn.0", "spawn.47"])]) :-
    include(matches("^spawn\\.[0-9]+$"), ["spawn.0", "spawn.47", "spawnx1", "spawn.", "spawn.a"], Found).
test(edges_of_words, [true(Found == ["a foo b", "foo"])]) :-
    include(matches("\\bfoo\\b"), ["a foo b", "foo", "afoo", "foo_"], Found).
test(an_empty_expression_matches_everything) :- matches('', '').
test(any_character_but_a_newline, [fail]) :- matches('a.b', "a\nb").
test(characters_beyond_ascii) :- matches('^größ.$', größe).

%   usr/tests/octopus/d2getset.c: a date, in one expression.

date('^(((((((0?[13578])|(1[02]))[\\.\\-/]?((0?[1-9])|([12]\\d)|(3[01])))|(((0?[469])|(11))[\\.\\-/]?((0?[1-9])|([12]\\d)|(30)))|((0?2)[\\.\\-/]?((0?[1-9])|(1\\d)|(2[0-8]))))[\\.\\-/]?(((19)|(20))?([\\d][\\d]))))|((0?2)[\\.\\-/]?(29)[\\.\\-/]?(((19)|(20))?(([02468][048])|([13579][26])))))$').

test(a_long_expression, [true(Found == ["10-10-2010", "2/29/2008"])]) :-
    date(Date),
    include(matches(Date), ["10-10-2010", "21-00-2900", "2/29/2008", "2/29/2007"], Found).

%   What takes a matcher that backtracks 2^30 steps, or stops it at its limit.

test(no_expression_runs_away, [fail]) :-
    numlist(1, 30, Numbers),
    findall(0'a, member(_, Numbers), Codes),
    string_codes(Text, Codes),
    call_with_inference_limit(matches('^(a*)*b$', Text), 200000, Outcome),
    Outcome \== inference_limit_exceeded.
test(a_long_text_takes_time_in_proportion) :-
    numlist(1, 100000, Numbers),
    findall(0'a, member(_, Numbers), Codes),
    append(Codes, `b`, Longer),
    string_codes(Text, Longer),
    call_with_inference_limit(matches('(a|aa)+(a|b)*b$', Text), 2000000, Outcome),
    Outcome \== inference_limit_exceeded.
test(what_is_known_of_expressions_is_bounded, [true(Kept =< 110000)]) :-
    forall(between(1, 3000, N),
           (   format(atom(Expression), "^a[b-d]{1,9}~d$", [N]),
               ( matches(Expression, abcdbcd) -> fail ; true )
           )),
    predicate_property(regular_expression:node(_, _, _), number_of_clauses(Nodes)),
    predicate_property(regular_expression:transition(_, _), number_of_clauses(Transitions)),
    Kept is Nodes + Transitions.
test(what_was_forgotten_is_made_anew, [nondet]) :-
    matches('^a[b-d]{1,9}7$', abcd7),
    between(1, 3, _).

refused("(a", 3, "expected )").
refused("a)", 2, "there is no ( for this )").
refused("[a", 3, "expected ] at the end of a class").
refused("a**", 3, "a repetition is repeated; ( ) around the first makes it one thing").
refused("a{2}{3}", 5, "a repetition is repeated; ( ) around the first makes it one thing").
refused("*a", 1, "nothing to repeat before this").
refused("(?=a)", 3, "of groups that begin with (? only (?: is known; no automaton looks around").
refused("(a)\\1", 5, "references back to a group are not known: no automaton remembers").
refused("a++", 3, "possessive repetition steers backtracking, of which there is none here; leave the + out").
refused("a{3,2}", 7, "the repetition before this ends below where it begins").
refused("a{1001}", 8, "the repetition before this is of more than 1000").
refused("(a{1000}){1000}", 1, "the expression is too large; count less in {}").
refused("[z-a]", 5, "the range before this ends below where it begins").
refused("[a-\\d]", 6, "a range ends in a character, not in a class").
refused("\\q", 2, "no such escape: \\ before this letter or digit").
refused("a\\", 3, "a \\ at the end escapes nothing").
refused("\\x4", 4, "expected a hexadecimal digit").
refused("\\x{110000}", 10, "no character has a number that large").
refused("(*FAIL)", 3, "commands to a matcher that backtracks are not known").
refused("[[:wrong:]]", 11,
        "no class has the name before this; alpha, digit, alnum, upper, lower, space, blank, punct, xdigit, word have").

test(what_no_automaton_does_is_refused_with_its_place,
     [forall(refused(Expression, Position, Text)), throws(error(regular_expression(Position, Text), _))]) :-
    check_expression(Expression).

%   PCRE is the oracle where it is installed; texts without a newline, before whose last one its $ matches, too.

expression('a').          expression('a|b').        expression('(a|b)*c').    expression('^a?b+$').
expression('a{2}').       expression('a{2,}b').     expression('^(ab){1,2}$'). expression('[^a]b').
expression('[a-b]+c$').   expression('\\bab').      expression('b\\b').       expression('\\Ba').
expression('^$').         expression('a*?b').       expression('(?:a|^b)c').  expression('(a|b$)(c|$)').
expression('\\w+-\\d').   expression('[\\w-]+$').   expression('a|').         expression('(|a)b').
expression('[]a]').       expression('[^]a]').      expression('\\x61b').     expression('a{,2}').
expression('(a*)*b').     expression('^(a|b)*?$').  expression('a.c').        expression('[[:upper:]]|[[:digit:]]').

text_of(Length, Text) :-
    length(Chars, Length),
    maplist([Char]>>member(Char, [a, b, c]), Chars),
    atom_chars(Text, Chars).
text_of(_, Text) :-
    member(Text, ['ab-1', 'a_b-c', 'A', ']', 'a{,2}', '-', 'a b', 'ab ', ' ']).

:- if(catch(use_module(library(pcre)), _, fail)).
test(it_agrees_with_pcre, [forall(expression(Expression)), true(Ours-Expression == Theirs-Expression)]) :-
    findall(Text, ( between(0, 5, Length), text_of(Length, Text) ), Texts),
    include(matches(Expression), Texts, Ours),
    include(re_match(Expression), Texts, Theirs).
:- endif.

:- end_tests(regular_expression).
