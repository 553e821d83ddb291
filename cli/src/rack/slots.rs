//! The rack as guests behind slots, each with a spare.

use std::num::NonZeroU64;
use std::sync::Arc;

use rtwasm::engine::artifact::Input;
use rtwasm::engine::budget::Limits;
use rtwasm::engine::call::ValRaw;
use rtwasm::engine::instance::{self, Instance};
use rtwasm::engine::module::Module;
use rtwasm::engine::prepare::{DryCall, any};
use rtwasm::engine::runtime::Runtime;
use rtwasm::engine::slot::{Config, Slot, StateTransfer};
use rtwasm::status::{Error, RTW_OK, Result, rtw_status_t};
use rtwasm::sys::sleeper;

use super::Rack;
use super::effect::Deed;
use crate::workload::guest::{self, Attached};
use crate::workload::source::Code;

/// The samples' address in the guest's memory; `guest.wat` exports it as well.
const SAMPLES: u64 = 1024;
/// The function's index in the slots' interface.
const PROCESS: usize = 0;
const SPARES: usize = 1;
/// Calls of the dry call that each instance makes before its first block.
const REPEATS: u32 = 4;

pub struct Slots {
    // In this order, which is the order of their ends.
    _attached: Attached,
    slots: Vec<Arc<Slot>>,
    _runtime: Arc<Runtime>,
    outputs: Vec<f32>,
    /// The status of the last block that was not processed.
    refused: Option<rtw_status_t>,
    /// The reason why there are fewer slots than wanted.
    pub fewer: Option<Error>,
}

impl Slots {
    /// Makes `count` slots, or as many as the machine's limits allow, but one.
    pub fn new(code: &Code, count: usize, frames: usize, budget_ns: u64) -> Result<Slots> {
        // The thread has its CPU and its priority already.
        let setup = crate::workload::describe::Options::new().setup;
        let runtime = guest::runtime(&code.metadata, &setup)?;
        let module = Module::load(&runtime, Input::Memory(&code.bytes), Ok)?;
        let limits = Limits { budget_ns: NonZeroU64::new(budget_ns), ..Limits::NONE };
        let mut slots = Vec::new();
        let mut fewer = None;
        while slots.len() < count && fewer.is_none() {
            match slot(&runtime, &module, limits, frames) {
                Ok(slot) => slots.push(slot),
                Err(error) if slots.is_empty() => return Err(error),
                Err(error) => fewer = Some(error),
            }
        }
        let outputs = vec![0.0; slots.len() * frames];
        let slots = Slots { _attached: Attached::new(&runtime)?, slots, _runtime: runtime, outputs, refused: None, fewer };
        slots.wait_for_spares();
        Ok(slots)
    }

    /// Waits until each slot has its spare.
    pub fn wait_for_spares(&self) {
        guest::aside(|| {
            while self.slots.iter().any(|slot| slot.report().spares_ready < SPARES as u64) {
                sleeper::sleep_for(std::time::Duration::from_millis(1));
            }
        });
    }

    /// Faults, and spares that took over, so far.
    pub fn faults(&self) -> (u64, u64) {
        guest::aside(|| {
            let reports = self.slots.iter().map(|slot| slot.report());
            reports.fold((0, 0), |(faults, spares), report| (faults + report.faults, spares + report.spares_used))
        })
    }
}

fn slot(runtime: &Arc<Runtime>, module: &Arc<Module>, limits: Limits, frames: usize) -> Result<Arc<Slot>> {
    let config = Config {
        interface: vec![("process".into(), None)],
        standby: SPARES,
        hold_blocks: 0,
        dry_calls: vec![DryCall {
            func: PROCESS,
            values: Box::new(arguments(frames, Deed::Effect)),
            repeats: REPEATS,
            accepts: any,
        }],
        state: StateTransfer::None,
        memory_limit_bytes: 0,
        on_event: None,
    };
    let slot = Slot::new(runtime, config)?;
    let config = instance::Config { limits, ..instance::Config::default() };
    let instance = Arc::new(Instance::new(module, None, config, std::ptr::null_mut())?);
    if let Err(error) = slot.publish(&instance) {
        slot.close();
        return Err(error);
    }
    Ok(slot)
}

fn arguments(frames: usize, deed: Deed) -> [ValRaw; 2] {
    [ValRaw::i32(frames as i32), ValRaw::i32(deed as i32)]
}

/// A block of one slot, as a host makes it: the samples go in and come back, or the block has failed.
fn block(slot: &Slot, input: &[f32], output: &mut [f32], deed: Deed) -> std::result::Result<(), rtw_status_t> {
    let opened = if slot.admits() { None } else { slot.admit()? };
    let answer = admitted(slot, input, output, deed);
    if let Some(opened) = opened {
        opened.seal();
    }
    answer
}

/// The block of a thread that was let in.
fn admitted(slot: &Slot, input: &[f32], output: &mut [f32], deed: Deed) -> std::result::Result<(), rtw_status_t> {
    // SAFETY: this thread alone begins and ends the slot's blocks, in turn, and was let in.
    let begun = unsafe { slot.begin() }?;
    // SAFETY: the block's instance is this thread's until the block has ended.
    let samples = unsafe { begun.active.instance.turn() }.memory_at(SAMPLES, size_of_val(input) as u64);
    let mut values = arguments(input.len(), deed);
    // SAFETY: the samples are as many as the input and the output have; the function has two values.
    let status = unsafe {
        std::ptr::copy_nonoverlapping(input.as_ptr(), samples.cast(), input.len());
        let status = begun.active.handles.funcs[PROCESS].call(&mut values);
        std::ptr::copy_nonoverlapping(samples.cast(), output.as_mut_ptr(), output.len());
        status
    };
    // SAFETY: the block has begun on this thread.
    unsafe { slot.end() };
    if status == RTW_OK { Ok(()) } else { Err(status) }
}

impl Rack for Slots {
    fn count(&self) -> usize {
        self.slots.len()
    }

    fn block(&mut self, input: &[f32], deed: &dyn Fn(usize) -> Deed, _until_ns: u64, served: &mut [bool]) {
        let outputs = self.outputs.chunks_exact_mut(input.len());
        for (at, (slot, output)) in self.slots.iter().zip(outputs).enumerate() {
            let status = block(slot, input, output, deed(at)).err();
            served[at] = status.is_none();
            self.refused = status.or(self.refused);
        }
    }

    fn outputs(&self) -> Vec<f32> {
        guest::aside(|| self.outputs.clone())
    }

    fn refused(&self) -> Option<rtw_status_t> {
        self.refused
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for slot in &self.slots {
            slot.close();
        }
    }
}
