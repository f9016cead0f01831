//! The cases by the clock: for a quiet machine. Counts, which need none, are `bench/run micro`'s.
#![forbid(unsafe_code)]

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, prepare) in bench_micro::cases() {
        criterion.bench_function(name, |bencher| bencher.iter(prepare()));
    }
    criterion.final_summary();
}
