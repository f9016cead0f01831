//! Makes the client, the server and the messages of `proto/board.proto`, without a protoc.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.open_file("board.proto")?;
    // For reflection: what a client that knows nothing asks for.
    let described = PathBuf::from(env::var("OUT_DIR")?).join("board.bin");
    fs::write(described, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
