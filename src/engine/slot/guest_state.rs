//! Transfers a guest's state to the next version of the guest, which continues from there.
//!
//! A guest takes part by exports. `rtw_state_save`, of type `()->(i32,i32)` or, for languages that return one value,
//! `()->(i64)` with the address in the lower half, returns address and length of its state in its memory. `rtw_state_load`, of
//! type `(i32,i32)->(i32)`, receives address and length of another guest's state, and returns 0 if it cannot use it.
//! `rtw_state_buffer`, `(i32)->(i32)`, receives the length and returns the address for the copy, 0 for none; without that
//! export the memory grows.
//!
//! Not for real-time threads.

use wasmtime::ValRaw;

use crate::engine::call;
use crate::engine::instance::{Func, Turn};
use crate::engine::prepare::SETUP_BUDGET_NS;
use crate::engine::signature::Signature;
use crate::status::{self, *};

const SAVE: &str = "rtw_state_save";
const LOAD: &str = "rtw_state_load";
const BUFFER: &str = "rtw_state_buffer";
const PAGE_BYTES: u64 = 65536;

/// Returns a copy of the instance's state; None if it has none.
pub fn save(instance: Turn<'_>) -> Result<Option<Vec<u8>>> {
    let Some(save) = export(instance, SAVE) else { return Ok(None) };
    let _ready = instance.module.runtime.ready_for_traps(instance.module.profile())?;
    let (address, length) = match save.shared.signature.to_string().as_str() {
        "()->(i32,i32)" => {
            let values = run(&save, [ValRaw::i32(0); 2])?;
            (values[0].get_u32(), values[1].get_u32())
        }
        "()->(i64)" => {
            let packed = run(&save, [ValRaw::i64(0); 2])?[0].get_u64();
            (packed as u32, (packed >> 32) as u32)
        }
        other => return Err(mistyped(SAVE, other, "()->(i32,i32) or ()->(i64)")),
    };
    let from = instance.memory_at(address.into(), length.into());
    if from.is_null() {
        return Err(Error::new(
            RTW_ERR_STATE,
            format!("{SAVE} returned {length} bytes at {address}, which is outside the guest's memory"),
        ));
    }
    // SAFETY: inside the memory, and no call runs.
    Ok(Some(unsafe { std::slice::from_raw_parts(from, length as usize) }.to_vec()))
}

/// Passes a state to the instance, which will use it.
pub fn load(instance: Turn<'_>, state: &[u8]) -> Result<()> {
    let Some(load) = export(instance, LOAD) else {
        return Err(Error::new(RTW_ERR_STATE, format!("the instance in use has a state, but the new one has no {LOAD}")));
    };
    let _ready = instance.module.runtime.ready_for_traps(instance.module.profile())?;
    if load.shared.signature != Signature::parse("(i32,i32)->(i32)")? {
        return Err(mistyped(LOAD, &load.shared.signature.to_string(), "(i32,i32)->(i32)"));
    }
    let length = u32::try_from(state.len()).map_err(|_| Error::new(RTW_ERR_STATE, "the state exceeds 4 GiB"))?;
    let address = place(instance, length)?;
    let to = instance.memory_at(address.into(), length.into());
    if to.is_null() {
        return Err(Error::new(
            RTW_ERR_STATE,
            format!("{BUFFER} returned {address} for {length} bytes, which is outside the guest's memory"),
        ));
    }
    // SAFETY: inside the memory, which no other thread uses yet.
    unsafe { std::ptr::copy_nonoverlapping(state.as_ptr(), to, state.len()) };
    match run(&load, [ValRaw::u32(address), ValRaw::u32(length)])?[0].get_i32() {
        0 => Err(Error::new(RTW_ERR_STATE, format!("the new instance refused the state of {length} bytes"))),
        _ => Ok(()),
    }
}

/// The address of the copy.
fn place(instance: Turn<'_>, length: u32) -> Result<u32> {
    if let Some(buffer) = export(instance, BUFFER) {
        if buffer.shared.signature != Signature::parse("(i32)->(i32)")? {
            return Err(mistyped(BUFFER, &buffer.shared.signature.to_string(), "(i32)->(i32)"));
        }
        return match run(&buffer, [ValRaw::u32(length), ValRaw::u32(0)])?[0].get_u32() {
            0 => Err(Error::new(RTW_ERR_STATE, format!("{BUFFER} has no place for {length} bytes"))),
            address => Ok(address),
        };
    }
    let end = instance.grow_for_setup(u64::from(length).div_ceil(PAGE_BYTES)).map_err(|error| {
        Error::new(
            RTW_ERR_STATE,
            format!("there is no {BUFFER}, and the memory does not grow by {length} bytes: {}", error.message),
        )
    })?;
    u32::try_from(end).map_err(|_| Error::new(RTW_ERR_STATE, "the state would lie beyond 4 GiB"))
}

fn export(instance: Turn<'_>, name: &str) -> Option<Func> {
    instance.func(name, None).ok()
}

fn run(func: &Func, mut values: [ValRaw; 2]) -> Result<[ValRaw; 2]> {
    // SAFETY: none of these functions has more than two values, as the check of their types ensures; the caller has the
    // instance.
    let call = || unsafe { call::invoke_apart(func, values.as_mut_ptr(), values.len(), None) };
    let _running = func.core().runs_in_setup();
    // A block's budget is not for state transfer.
    match func.timing().with_at_least(SETUP_BUDGET_NS, call) {
        RTW_OK => Ok(values),
        status => Err(Error::new(RTW_ERR_STATE, format!("{} ended with {}", func.shared.name, status::name(status)))),
    }
}

fn mistyped(name: &str, found: &str, wanted: &str) -> Error {
    Error::new(RTW_ERR_STATE, format!("{name} has type {found}; {wanted} is needed"))
}
