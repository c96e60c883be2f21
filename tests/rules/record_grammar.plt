:- encoding(utf8).
:- use_module('../../rules/record_grammar').
:- use_module(library(plunit)).

:- begin_tests(record_grammar).

written("a", query(name(a), [], [])).
written("a {}", query(name(a), [], [])).
written("\n hw.pci.device.17\t{ b-c_d.e : 1 ,f: 2}\n", query(name('hw.pci.device.17'), ['b-c_d.e'=1, f=2], [])).
written("_", query(any, [], [])).
written("_ { weight >= 10, fl > 11.0 }", query(any, [], [condition(weight, >=, 10), condition(fl, >, 11.0)])).
written("r'^obj.$' { attr: 3 } ", query(matching('^obj.$'), [attr=3], [])).
written("x { a: r'^b{2}', c: _ }", query(name(x), [], [condition(a, matching, '^b{2}'), condition(c, any, any)])).
written("x { a<1, b<=2, c==d, e!='f' }",
     query(name(x), [], [condition(a, <, 1), condition(b, <=, 2), condition(c, ==, d), condition(e, '!=', "f")])).
written("x { a: true, b: false, c: truest, d: 'true' }", query(name(x), [a=true, b=false, c=truest, d="true"], [])).
written("x { a: -1, b: +2, c: 1.5, d: -.5, e: 1e3, f: 2.5E-1 }",
     query(name(x), [a= -1, b=2, c=1.5, d= -0.5, e=1000.0, f=0.25], [])).
written("x { a: -9223372036854775808, b: 9223372036854775807 }",
     query(name(x), [a= -9223372036854775808, b=9223372036854775807], [])).
written("x { a: '\\_SB_.PCI0', b: 'it\\'s', c: '\\\\', d: '', e: 'größe' }",
     query(name(x), [a="\\_SB_.PCI0", b="it's", c="\\", d="", e="größe"], [])).
written("x { a: r'\\'[0-9]\\.' }", query(name(x), [], [condition(a, matching, '\'[0-9]\\.')])).
written("r { r: r }", query(name(r), [r=r], [])).

test(what_is_written_is_read, [forall(written(Text, Expected)), true(Query == Expected)]) :-
    parse_query(Text, Query).

%   The first six are what Barrelfish's own tests hold to be wrong.

refused("}+_df}", 1, 1, "expected a record's name (a-z first), _ or r'...', found }").
refused("././12", 1, 1, "expected a record's name (a-z first), _ or r'...', found .").
refused("111 [] attr: 10 }", 1, 1, "expected a record's name (a-z first), _ or r'...', found 111").
refused("parser { error, m, }", 1, 15, "expected : or one of == != < <= > >=, found ,").
refused("q{weqw1,.", 1, 8, "expected : or one of == != < <= > >=, found ,").
refused("obj [] attr: 10 }", 1, 5, "expected { or the end, found [").
refused("", 1, 1, "expected a record's name (a-z first), _ or r'...', found the end").
refused("X { a: 1 }", 1, 1, "expected a record's name (a-z first), _ or r'...', found X").
refused("x {\n  a: 1\n  b: 2 }", 3, 3, "expected , or }, found b").
refused("x { a: 1", 1, 9, "expected , or }, found the end").
refused("x { a: 1, }", 1, 11, "expected an attribute's name (a-z first), found }").
refused("x { a: 1 } y", 1, 12, "expected the end, found y").
refused("x { a: }", 1, 8, "expected a value (an identifier, 'text', a number, true or false), found }").
refused("x { a > _ }", 1, 9, "expected a value (an identifier, 'text', a number, true or false), found _").
refused("x { a: %d }", 1, 8, "expected a value (an identifier, 'text', a number, true or false), found %").
refused("x { a = 1 }", 1, 7, "expected : or one of == != < <= > >=, found =").
refused("x { a: 12abc }", 1, 10, "expected , or }, found abc").
refused("x { a: 9223372036854775808 }", 1, 8, "the number is too large; integers have 64 bits").
refused("x { a: 1e999 }", 1, 8, "the number is too large; integers have 64 bits").
refused("x { a: 'open }", 1, 9, "a quote is opened before this that nothing closes").
refused("x { a: r'(b' }", 1, 12, "in the regular expression: expected )").
refused("r'a**'", 1, 5, "in the regular expression: a repetition is repeated; ( ) around the first makes it one thing").

test(what_is_malformed_is_refused_with_its_place,
     [ forall(refused(Text, Line, Column, What)), throws(error(record_syntax(Line, Column, What), _)) ]) :-
    parse_query(Text, _).

:- end_tests(record_grammar).
