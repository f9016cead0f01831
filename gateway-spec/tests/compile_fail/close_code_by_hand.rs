//! WS-10: a close code without its check.

use gateway_spec::CloseCode;

fn main() {
    let _ = CloseCode(1005);
}
