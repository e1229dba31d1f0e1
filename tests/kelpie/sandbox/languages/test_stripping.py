"""TypeScript without its types."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie.errors import InvalidSource
from kelpie.sandbox.languages.stripping import strip_types


@pytest.mark.parametrize(
    ("typescript", "javascript"),
    [
        ("let a: string = 'x';", "let a = 'x';"),
        ("let a!: string;", "let a;"),
        ("function f(a?: number, ...b: string[]): void {}", "function f(a, ...b) {}"),
        ("function f(this: Window, a: number) {}", "function f( a) {}"),
        ("const f = async <T,>(x: T): Promise<T> => x;", "const f = async (x) => x;"),
        ("const f = (a): a is string => true;", "const f = (a) => true;"),
        ("const a = b as string as any;", "const a = b;"),
        ("const a = { b: 1 } satisfies T;", "const a = { b: 1 } ;"),
        ("a!.b![0]!();", "a.b[0]();"),
        ("new Map<string, number>(); f<T>(1);", "new Map(); f(1);"),
        ("interface A { b: string }\nlet c = 1;", ";\nlet c = 1;"),
        ("export type A = 'b';", ";"),
        ("export interface A {}", ";"),
        ("declare const a: string;", ";"),
        ("declare module 'x' { enum A {} }", ";"),
        ("function f(a: string): void;\nfunction f(a) {}", ";\nfunction f(a) {}"),
        ("import type { A } from 'a';", ";"),
        ("import { type A, B } from 'a';", "import { B } from 'a';"),
        ("export { type A, B };", "export { B };"),
        ("class A<T> extends B<T> implements C, D {}", "class A extends B {}"),
        (
            "class A { private readonly x!: number; declare y: string; static z?: number = 1; abstract w: string }",
            "class A { x; ; static z = 1; }",
        ),
        (
            "class A { m?(a: string): void; [k: string]: any; public async n(): Promise<void> {} }",
            "class A { ; ; async n() {} }",
        ),
        ("abstract class A { abstract f(): void; g() {} }", "class A { ; g() {} }"),
        ("try {} catch (e: unknown) {}", "try {} catch (e) {}"),
        ("for (const x of y as string[]) {}", "for (const x of y) {}"),
        ("label: for (;;) {} a ? b : c; ({ a: b });", "label: for (;;) {} a ? b : c; ({ a: b });"),
        ("const s = `${a as string} as string`; // as string", "const s = `${a} as string`; // as string"),
        ("f()\ninterface A {}\n(b)()", "f()\n;\n(b)()"),
        ("const f = (a\n): string\n=> a;", "const f = (a\n) => a;"),
        ("let \u00e4: '\U0001f600' = b;", "let \u00e4 = b;"),
    ],
)
def test_types_go_and_the_rest_stays(typescript, javascript):
    stripped = strip_types(typescript)
    assert "".join(stripped.split()) == "".join(javascript.split())


def test_lines_and_columns_stay_what_they_were():
    source = "interface A {\n  b: string;\n}\nexport function f(a: A, b?: number): string {\n  throw new Error();\n}\n"
    stripped = strip_types(source)
    assert len(stripped) == len(source)
    assert [line.find("throw") for line in stripped.split("\n")] == [line.find("throw") for line in source.split("\n")]
    assert stripped.index("b") == source.index("b?: number")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("let a = 1;\nenum E { A }", "line 2: an enum"),
        ("namespace N { export const a = 1; }", "namespace"),
        ("class A { constructor(private a: string) {} }", "a property too"),
        ("class A { constructor(readonly a: string) {} }", "a property too"),
        ("@dec class A {}", "decorators"),
        ("let a = <string>b;", "value as Type"),
        ("import fs = require('fs');", "import name from"),
        ("import A = B.C;", "const name"),
        ("export = a;", "export default"),
        ("let a: = 1;", "this is not TypeScript"),
    ],
)
def test_what_is_more_than_types_is_refused_with_the_line(source, reason):
    with pytest.raises(InvalidSource, match=reason):
        strip_types(source)


JAVASCRIPT = st.sampled_from(
    [
        *("let a = 1;", "a ? (b) : c => d;", "`${a}`;", "({ a, b: c, ...d });", "for (const a of b) ;"),
        *(
            "class A extends B { #x = 1; static { } get y() { return 1 } async *z() {} }",
            "label: while (1) break label;",
        ),
        *("import a, { b as c } from 'd';", "export { a as b };", "/re/g.test(a);", "a?.b ?? c;", "function type() {}"),
        *(
            "let as = 1, satisfies = 2, declare = 3;",
            "type\n= 5;",
            "async () => await x;",
            "// @ts-ignore\n",
            "/* : string */",
        ),
    ]
)


@settings(deadline=None, max_examples=100)
@given(st.lists(JAVASCRIPT, max_size=8).map("\n".join))
def test_javascript_is_typescript_and_stays_itself(source):
    try:
        stripped = strip_types(source)
    except InvalidSource:
        return  # not every one of these may follow every other
    assert stripped == source
