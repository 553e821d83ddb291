//! wasm-smith's modules: of the proposals that guests may use, without imports, and ending by themselves. For each line `SEED NUMBER`
//! of the standard input it writes one: the length in four bytes, 0 where the generator had no use for the numbers it got.

#[path = "../../src/random.rs"]
mod random;

use std::io::{BufRead, Result, Write, stdin, stdout};

use arbitrary::Unstructured;
use random::Random;
use wasm_smith::{Config, Module};
use wasmparser::{Validator, WasmFeatures};

/// The number of times that its loops and functions may be entered in all.
const FUEL: u32 = 500;

const FEATURES: WasmFeatures = WasmFeatures::all().difference(WasmFeatures::GC_TYPES);

/// The number of modules that are discarded for one without references to host objects, which guests may not use.
const ATTEMPTS: u32 = 20;
/// In bytes: what is shorter does next to nothing.
const SHORTEST: usize = 300;

fn module(random: &mut Random) -> Option<Vec<u8>> {
    // Three of four are without references from the start, so that long ones are among them.
    let references = random.below(4) == 0;
    let may_be_used =
        |module: &Vec<u8>| module.len() > SHORTEST && Validator::new_with_features(FEATURES).validate_all(module).is_ok();
    (0..ATTEMPTS).find_map(|_| attempt(random, references).filter(may_be_used))
}

fn attempt(random: &mut Random, references: bool) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = (0..512 + random.below(512)).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut config = Config::default();
    config.max_imports = 0;
    config.min_funcs = 1;
    config.max_funcs = 8;
    config.max_instructions = 150;
    config.max_memories = 3;
    config.max_tables = 3;
    config.min_memories = 1;
    config.min_tables = 1;
    config.memory_max_size_required = true;
    config.table_max_size_required = true;
    config.max_memory32_bytes = 20 << 16;
    config.max_memory64_bytes = 20 << 16;
    config.max_table_elements = 50_000;
    config.export_everything = true;
    // The bits of a NaN are the code generator's choice.
    config.canonicalize_nans = true;
    config.exceptions_enabled = false;
    config.gc_enabled = false;
    config.reference_types_enabled = references;
    // Its memories would be shared between threads.
    config.threads_enabled = false;
    config.tail_call_enabled = true;
    config.generate_custom_sections = false;
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

fn main() -> Result<()> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        let mut numbers = line.split(' ').map(|number| number.parse().expect("two numbers"));
        let mut next = || numbers.next().expect("two numbers");
        let bytes = module(&mut Random::new(next(), next())).unwrap_or_default();
        output.write_all(&(bytes.len() as u32).to_le_bytes())?;
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(())
}
