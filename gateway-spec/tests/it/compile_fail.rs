//! Programs that must not compile. What the compiler says to their authors is part of the contract: it is in the
//! `.stderr` beside each.

#[test]
fn wrong_orders_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
