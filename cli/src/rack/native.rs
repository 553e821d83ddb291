//! The rack as functions of the host.

use super::Rack;
use super::effect::{Deed, Effect};

pub struct Native {
    effects: Vec<Effect>,
    outputs: Vec<f32>,
}

impl Native {
    pub fn new(count: usize, frames: usize) -> Native {
        Native { effects: vec![Effect::default(); count], outputs: vec![0.0; count * frames] }
    }
}

impl Rack for Native {
    fn count(&self) -> usize {
        self.effects.len()
    }

    fn block(&mut self, input: &[f32], deed: &dyn Fn(usize) -> Deed, _until_ns: u64, served: &mut [bool]) {
        let outputs = self.outputs.chunks_exact_mut(input.len());
        for (at, (effect, output)) in self.effects.iter_mut().zip(outputs).enumerate() {
            output.copy_from_slice(input);
            effect.process(output, deed(at));
            served[at] = true;
        }
    }

    fn outputs(&self) -> Vec<f32> {
        self.outputs.clone()
    }
}
