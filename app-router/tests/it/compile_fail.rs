//! What the compiler says of functions that are no handlers.

#[test]
fn wrong_handlers_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
