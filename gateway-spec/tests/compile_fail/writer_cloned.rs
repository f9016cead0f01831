//! A writer for each of two tasks.

use gateway_spec::Writer;

fn both(writer: Writer) -> [Writer; 2] {
    [writer.clone(), writer]
}

fn main() {
    let _ = both;
}
