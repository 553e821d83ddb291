//! The bare engine, called from Rust with `TypedFunc`: a rival in the comparison of `bench/rivals`, linked with its common part in C.
//! Arguments: ARTIFACT, whose code it runs with the settings that rtwasm would use.

use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, OnceLock, PoisonError};

use rtwasm::engine::{artifact, profile};
use wasmtime::{Engine, Func, Instance, Module, Store, TypedFunc};

const HAS_INSTANCES: u32 = 1;
const KEEPS: u32 = 2;
const ATTACHES: u32 = 8;
const GOES_ON: u32 = 16;

static PATH: OnceLock<String> = OnceLock::new();
/// Made with the settings of the first artifact that is loaded.
static ENGINE: OnceLock<Engine> = OnceLock::new();
static KEPT: Mutex<Vec<Module>> = Mutex::new(Vec::new());

pub struct Guest {
    store: Store<()>,
    instance: Instance,
    funcs: Vec<*mut Called>,
}

enum Shape {
    Plain(TypedFunc<(), ()>),
    Result(TypedFunc<(), i32>),
    Binary(TypedFunc<(i32, i32), i32>),
}

/// A function, and whose it is.
pub struct Called {
    guest: *mut Guest,
    func: Shape,
}

fn need<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("{what}: {error:#}");
        std::process::exit(1)
    })
}

fn kept() -> std::sync::MutexGuard<'static, Vec<Module>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// `arguments` begins with the name of a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rival_open(arguments: *const *const c_char) -> u32 {
    // SAFETY: as the caller promises.
    let path = unsafe { CStr::from_ptr(*arguments) };
    PATH.get_or_init(|| path.to_string_lossy().into_owned());
    HAS_INSTANCES | KEEPS | ATTACHES | GOES_ON
}

#[unsafe(no_mangle)]
pub extern "C" fn rival_load() {
    let path = PATH.get().map_or("", String::as_str);
    let bytes = need(std::fs::read(path), path);
    let artifact = need(artifact::read(&bytes).map_err(|error| error.message), path);
    let engine = ENGINE
        .get_or_init(|| need(profile::engine(&artifact.metadata.settings, profile::DEFAULT_GUEST_STACK_BYTES), "the engine"));
    // SAFETY: our own compiler's output, its digest checked by the reading above.
    kept().push(need(unsafe { Module::deserialize(engine, &artifact.code) }, path));
}

#[unsafe(no_mangle)]
pub extern "C" fn rival_unload() {
    kept().clear();
}

#[unsafe(no_mangle)]
pub extern "C" fn rival_instantiate() -> *mut Guest {
    let kept = kept();
    let module = kept.last().expect("a module is loaded");
    let mut store = Store::new(module.engine(), ());
    let imports: Vec<_> = module.imports().map(|_| Func::wrap(&mut store, || {}).into()).collect();
    let instance = need(Instance::new(&mut store, module, &imports), "instance");
    Box::into_raw(Box::new(Guest { store, instance, funcs: Vec::with_capacity(4) }))
}

/// # Safety
/// A guest of rival_instantiate, which ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rival_end(guest: *mut Guest) {
    // SAFETY: as the caller promises; its functions go with it.
    unsafe {
        for func in &(*guest).funcs {
            drop(Box::from_raw(*func));
        }
        drop(Box::from_raw(guest));
    }
}

/// # Safety
/// A live guest, and a name that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rival_func(guest: *mut Guest, name: *const c_char, shape: c_int) -> *mut Called {
    // SAFETY: as the caller promises.
    let (live, name) = unsafe { (&mut *guest, CStr::from_ptr(name).to_string_lossy()) };
    let (instance, store) = (live.instance, &mut live.store);
    let func = match shape {
        0 => Shape::Plain(need(instance.get_typed_func(store, &name), &name)),
        1 => Shape::Result(need(instance.get_typed_func(store, &name), &name)),
        _ => Shape::Binary(need(instance.get_typed_func(store, &name), &name)),
    };
    let called = Box::into_raw(Box::new(Called { guest, func }));
    live.funcs.push(called);
    called
}

/// # Safety
/// A function of a live guest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rival_call(called: *mut Called, first: i32, second: i32, count: u64) -> i32 {
    // SAFETY: as the caller promises.
    let (called, store) = unsafe { (&*called, &mut (*(*called).guest).store) };
    let mut result = 0;
    match &called.func {
        Shape::Plain(func) => (0..count).for_each(|_| need(func.call(&mut *store, ()), "call")),
        Shape::Result(func) => (0..count).for_each(|_| result = need(func.call(&mut *store, ()), "call")),
        Shape::Binary(func) => (0..count).for_each(|_| result = need(func.call(&mut *store, (first, second)), "call")),
    }
    result
}

/// # Safety
/// A function of a live guest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rival_trap(called: *mut Called) {
    // SAFETY: as the caller promises.
    let (called, store) = unsafe { (&*called, &mut (*(*called).guest).store) };
    let trapped = matches!(&called.func, Shape::Plain(func) if func.call(store, ()).is_err());
    need(if trapped { Ok(()) } else { Err("no trap") }, "trap");
}

#[unsafe(no_mangle)]
pub extern "C" fn rival_attach() {
    Engine::tls_eager_initialize();
}
