//! Runs the targets for a while on any toolchain: first the seeds, then mutants of them. No coverage guides it, so it finds what
//! proptest would, with more inputs.
//!
//! ```text
//! short                            all targets, 20 seconds in total, a seed from the clock, which is printed
//! short --seconds 60 --seed 7 http1_wire websocket_wire
//! short --input FILE http1_wire    one input again
//! ```
//!
//! An input that breaks an invariant is written to `artifacts/<target>/`, and the exit code is 1.
#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use fastrand::Rng;
use fuzz::{TARGETS, Target};

/// The longest mutant. Long inputs make few runs, and no rule is met by length alone that small limits do not meet too.
const LONGEST: usize = 4096;

struct Options {
    time: Duration,
    seed: u64,
    input: Option<PathBuf>,
    targets: Vec<&'static Target>,
}

fn main() -> ExitCode {
    let options = match options(env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("short: {wrong}");
            return ExitCode::from(2);
        }
    };
    if let Some(path) = options.input {
        let input = fs::read(path).expect("the input can be read");
        options
            .targets
            .iter()
            .for_each(|target| target.hold(&input));
        return ExitCode::SUCCESS;
    }
    println!("short: --seed {}", options.seed);
    let each = options.time / u32::try_from(options.targets.len()).expect("a handful");
    let mut broken = 0;
    for target in options.targets {
        let mut rng = Rng::with_seed(options.seed);
        broken += usize::from(!holds(target, each, &mut rng));
    }
    ExitCode::from(u8::from(broken > 0))
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        time: Duration::from_secs(20),
        seed: Rng::new().u64(..),
        input: None,
        targets: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{argument} needs a number"))
        };
        match &*argument {
            "--seconds" => options.time = Duration::from_secs(number()?),
            "--seed" => options.seed = number()?,
            "--input" => {
                let file = arguments.next().ok_or("--input needs a file")?;
                options.input = Some(file.into());
            }
            name => {
                let target = Target::named(name).ok_or_else(|| format!("no target {name}"))?;
                options.targets.push(target);
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

/// Whether the target held for so long.
fn holds(target: &Target, time: Duration, rng: &mut Rng) -> bool {
    let seeds = target.seeds();
    let start = Instant::now();
    let mut inputs = 0;
    let mut next = seeds.iter().cloned();
    while start.elapsed() < time || next.len() > 0 {
        let input = next.next().unwrap_or_else(|| mutant(&seeds, rng));
        inputs += 1;
        if panic::catch_unwind(AssertUnwindSafe(|| target.hold(&input))).is_err() {
            let path = keep(target, &input);
            eprintln!(
                "{}: broken by input {inputs}, kept as {}",
                target.name,
                path.display()
            );
            return false;
        }
    }
    println!(
        "{}: {inputs} inputs in {:.1} s",
        target.name,
        start.elapsed().as_secs_f32()
    );
    true
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts")).join(target.name);
    let sum = input.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let path = folder.join(format!("short-{sum:016x}"));
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(&path, input).expect("the input can be kept");
    path
}

/// A seed with one to eight changes.
fn mutant(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = any(seeds, rng).clone();
    for _ in 0..rng.usize(1..=8) {
        change(&mut input, seeds, rng);
    }
    input.truncate(LONGEST);
    input
}

fn any<'a>(seeds: &'a [Vec<u8>], rng: &mut Rng) -> &'a Vec<u8> {
    &seeds[rng.usize(..seeds.len())]
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let place = rng.usize(..=input.len());
    let end = (place + rng.usize(0..16)).min(input.len());
    match rng.u8(0..7) {
        0 if place < input.len() => input[place] ^= 1 << rng.u8(0..8),
        1 if place < input.len() => input[place] = rng.u8(..),
        2 => input.insert(
            place,
            rng.choice(*b"\0\t\n\r ,:;=0\x7f\x80\xff").expect("some"),
        ),
        3 => drop(input.drain(place..end)),
        4 => {
            let piece = input[place..end].to_vec();
            let to = rng.usize(..=input.len());
            input.splice(to..to, piece);
        }
        5 => {
            let other = any(seeds, rng);
            let from = rng.usize(..=other.len());
            let to = (from + rng.usize(0..64)).min(other.len());
            input.splice(place..end, other[from..to].iter().copied());
        }
        _ => {
            input.truncate(place);
            input.extend_from_slice(any(seeds, rng));
        }
    }
}
