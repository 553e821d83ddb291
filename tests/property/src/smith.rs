//! wasm-smith's modules, from the program beside this one.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

pub struct Smith(Child);

impl Smith {
    pub fn start() -> Smith {
        let program = std::env::current_exe().expect("a program has a path").with_file_name("rtwasm-smith");
        let mut command = Command::new(&program);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Smith(child.unwrap_or_else(|error| panic!("{}: {error}", program.display())))
    }

    /// None where the generator had no use for the numbers it got.
    pub fn module(&mut self, seed: u64, nth: u64) -> Option<Vec<u8>> {
        let input = self.0.stdin.as_mut().expect("piped");
        writeln!(input, "{seed} {nth}").expect("wasm-smith reads");
        let output = self.0.stdout.as_mut().expect("piped");
        let mut length = [0; 4];
        output.read_exact(&mut length).unwrap_or_else(|error| panic!("wasm-smith, seed {seed}, module {nth}: {error}"));
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        output.read_exact(&mut bytes).expect("as long as it said");
        (!bytes.is_empty()).then_some(bytes)
    }
}

impl Drop for Smith {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
