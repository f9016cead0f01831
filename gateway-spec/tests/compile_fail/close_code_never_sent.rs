//! WS-10: a constant that must never be sent.

use gateway_spec::CloseCode;

const LOST: CloseCode = CloseCode::new(1006);

fn main() {
    println!("{LOST}");
}
