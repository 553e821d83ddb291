//! The way from a guest into its host and back: host functions beside those of the stock engine's C API and of `Func::wrap`, mathematics,
//! the library's own functions, and calls of a table's entries.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::transmute;
use std::ptr::{null, null_mut};

use super::cases::Bare;
use super::library::{Error, Guest, Handle, Library, Options, Value, check};
use super::measure::Subject;

/// Receives each case: its name, and its subjects, the baseline first. `run(n)` makes n crossings.
pub type Visit<'a> = dyn FnMut(&str, Vec<Subject<'_>>) + 'a;

const WRAP: &str = "Func::wrap";
const STOCK: &str = "Wasmtime's C API, unchecked";
const OWN: &str = "rtwasm";

unsafe extern "C" {
    fn sinf(x: f32) -> f32;
    fn pow(x: f64, y: f64) -> f64;
}

/// Visits all cases of a profile. `stock` is the stock engine, if there is one.
pub fn all(
    library: &Library,
    stock: Option<&Stock>,
    artifacts: &str,
    profile: &str,
    visit: &mut Visit<'_>,
) -> Result<(), String> {
    let options = Options { plugin: profile == "plugin", statistics: false, denormals: 0, budget_ns: 0 };
    let entries = Entries::of(library)?;
    let path = format!("{artifacts}/crossings-{profile}.rtw");
    let mut bare = bare(&path)?;
    let guest = library.guest_with(&path, options, |imports| entries.provide(imports))?;
    host_functions(&guest, &mut bare, stock, profile, visit)?;
    drop(guest);

    let path = format!("{artifacts}/services-{profile}.rtw");
    let guest = library.guest_with(&path, options, |imports| entries.provide(imports))?;
    for name in [c"sched_yield", c"clock_time_get", c"random_get", c"fd_write", c"rtw_log"] {
        let case = format!("service-{}/{profile}", name.to_str().map_err(|e| e.to_string())?);
        visit(&case, vec![loops(OWN, library, guest.func(name)?)]);
    }
    table_calls(&guest, &entries, profile, visit)
}

/// The guest in the engine alone, with host functions of `Func::wrap`.
fn bare(path: &str) -> Result<Bare, String> {
    Bare::with(path, |store, name| {
        use wasmtime::{Caller, Func};
        match name {
            "nop" => Func::wrap(store, |_: Caller<'_, ()>| {}),
            "mix" => Func::wrap(store, |_: Caller<'_, ()>, n: i32, x: f32| mix(n, x)),
            // SAFETY: mathematics works for all values.
            "sinf" => Func::wrap(store, |x: f32| unsafe { sinf(x) }),
            // SAFETY: as above.
            _ => Func::wrap(store, |x: f64, y: f64| unsafe { pow(x, y) }),
        }
    })
}

/// Calls of host functions and of mathematics, from a loop in the guest.
fn host_functions(
    guest: &Guest<'_>,
    bare: &mut Bare,
    stock: Option<&Stock>,
    profile: &str,
    visit: &mut Visit<'_>,
) -> Result<(), String> {
    for name in [c"nop", c"mix", c"sinf", c"pow"] {
        let text = name.to_str().map_err(|e| e.to_string())?;
        let func = bare.func::<i32, ()>(text)?;
        let store = &mut bare.store;
        let wrap = |n: u64| func.call(&mut *store, n as i32).expect("it returns");
        let mut subjects = Vec::new();
        if let Some(stock) = stock {
            let func = stock.func(text)?;
            subjects.push(Subject { name: STOCK, run: Box::new(move |n| stock.call(&func, n)) });
        }
        subjects.push(Subject { name: WRAP, run: Box::new(wrap) });
        subjects.push(loops(OWN, guest.library, guest.func(name)?));
        visit(&format!("crossing-{text}/{profile}"), subjects);
    }
    Ok(())
}

/// Calls of a table's entries from the host, beside those of an export.
fn table_calls(guest: &Guest<'_>, entries: &Entries<'_>, profile: &str, visit: &mut Visit<'_>) -> Result<(), String> {
    let export = guest.func(c"empty")?;
    let (bound, dynamic) = entries.table_funcs(guest)?;
    let invoke = guest.library.invoke;
    let entry = entries.invoke_entry;
    let calls = |func: Handle| {
        move |n: u64| {
            let mut none = [Value { i32: 0 }];
            // SAFETY: a live func of this thread's instance.
            (0..n).for_each(|_| assert_eq!(unsafe { invoke(func, none.as_mut_ptr(), 1) }, 0));
        }
    };
    let dynamic_calls = move |n: u64| {
        let mut none = [Value { i32: 0 }];
        // SAFETY: as above; the table has this entry.
        (0..n).for_each(|at| assert_eq!(unsafe { entry(dynamic, at & 1, none.as_mut_ptr(), 1) }, 0));
    };
    let subjects = vec![
        Subject { name: "an export", run: Box::new(calls(export)) },
        Subject { name: "a bound entry", run: Box::new(calls(bound)) },
        Subject { name: "rtw_invoke_entry", run: Box::new(dynamic_calls) },
    ];
    visit(&format!("table-call/{profile}"), subjects);
    // SAFETY: live funcs, which nothing uses any more.
    unsafe { [bound, dynamic].iter().for_each(|func| (entries.func_destroy)(*func)) };
    Ok(())
}

fn mix(n: i32, x: f32) -> f32 {
    x * 0.5 + n as f32
}

/// One call of a guest's loop.
fn loops<'a>(name: &'static str, library: &'a Library, func: Handle) -> Subject<'a> {
    let run = move |n: u64| {
        let mut values = [Value { i32: n as i32 }];
        // SAFETY: a live func of this thread's instance.
        assert_eq!(unsafe { (library.invoke)(func, values.as_mut_ptr(), 1) }, 0);
    };
    Subject { name, run: Box::new(run) }
}

// ---- this library ----

type Setup = unsafe extern "C" fn(Handle, *mut Error) -> i32;
type Wasi = unsafe extern "C" fn(Handle, *const c_void, *mut Error) -> i32;
type TableFunc = unsafe extern "C" fn(Handle, *const c_char, u64, *const c_char, *mut Handle, *mut Error) -> i32;
type Dynamic = unsafe extern "C" fn(Handle, *const c_char, *const c_char, *mut Handle, *mut Error) -> i32;

/// The library's entries for all this.
struct Entries<'a> {
    library: &'a Library,
    libm: Setup,
    wasi: Wasi,
    table_func: TableFunc,
    dynamic: Dynamic,
    invoke_entry: unsafe extern "C" fn(Handle, u64, *mut Value, usize) -> i32,
    func_destroy: unsafe extern "C" fn(Handle),
}

unsafe extern "C" fn host_mix(_: *mut c_void, _: Handle, values: *mut Value) -> i32 {
    // SAFETY: the library passes two values of these types.
    unsafe { (*values).f32 = mix((*values).i32, (*values.add(1)).f32) };
    0
}

impl<'a> Entries<'a> {
    fn of(library: &'a Library) -> Result<Entries<'a>, String> {
        // SAFETY: each is transmuted to its own declaration in rtwasm.h.
        unsafe {
            Ok(Entries {
                library,
                libm: transmute::<Handle, Setup>(library.entry(c"rtw_imports_libm")?),
                wasi: transmute::<Handle, Wasi>(library.entry(c"rtw_imports_wasi")?),
                table_func: transmute::<Handle, TableFunc>(library.entry(c"rtw_instance_table_func")?),
                dynamic: transmute::<Handle, Dynamic>(library.entry(c"rtw_instance_table_func_dynamic")?),
                invoke_entry: transmute::<Handle, _>(library.entry(c"rtw_invoke_entry")?),
                func_destroy: transmute::<Handle, _>(library.entry(c"rtw_func_destroy")?),
            })
        }
    }

    fn provide(&self, imports: Handle) -> Result<(), String> {
        let mut err = Error::none();
        let e = &mut err as *mut Error;
        self.library.provide(imports, c"mix", c"(i32,f32)->(f32)", host_mix)?;
        // SAFETY: a live list.
        unsafe { check((self.libm)(imports, e), e).and_then(|()| check((self.wasi)(imports, null(), e), e)) }
    }

    /// The table's first entry, bound, and its type.
    fn table_funcs(&self, guest: &Guest<'_>) -> Result<(Handle, Handle), String> {
        let mut err = Error::none();
        let e = &mut err as *mut Error;
        let (mut bound, mut dynamic) = (null_mut(), null_mut());
        let (table, signature) = (c"table".as_ptr(), c"()->()".as_ptr());
        // SAFETY: a live instance of this thread's.
        unsafe {
            check((self.table_func)(guest.instance, table, 0, signature, &mut bound, e), e)?;
            check((self.dynamic)(guest.instance, table, signature, &mut dynamic, e), e)?;
        }
        Ok((bound, dynamic))
    }
}

// ---- the stock engine's C API ----

#[repr(C)]
struct Bytes {
    size: usize,
    data: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct StockFunc {
    store_id: u64,
    private: *mut c_void,
}

/// wasmtime_extern_t; kind 0 is a function.
#[repr(C)]
struct StockExtern {
    kind: u8,
    of: [u64; 3],
}

#[repr(C)]
struct StockInstance {
    store_id: u64,
    index: usize,
}

type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut Value, usize) -> *mut c_void;

type Wat2wasm = unsafe extern "C" fn(*const u8, usize, *mut Bytes) -> Handle;
type ModuleNew = unsafe extern "C" fn(Handle, *mut c_void, usize, *mut Handle) -> Handle;
type StoreNew = unsafe extern "C" fn(Handle, Handle, Handle) -> Handle;
type StoreContext = unsafe extern "C" fn(Handle) -> Handle;
type InstanceNew = unsafe extern "C" fn(Handle, Handle, *const StockExtern, usize, *mut StockInstance, *mut Handle) -> Handle;
type FuncNew = unsafe extern "C" fn(Handle, Handle, Callback, Handle, Handle, *mut StockFunc);

/// A shared library, which is never closed.
struct Object<'a> {
    path: &'a str,
    handle: Handle,
}

impl Object<'_> {
    fn open(path: &str) -> Result<Object<'_>, String> {
        let name = CString::new(path).map_err(|e| e.to_string())?;
        // SAFETY: opening runs the library's initialisers, which is what any host does.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() { Err(format!("{path}: cannot be opened")) } else { Ok(Object { path, handle }) }
    }

    fn entry(&self, name: &CStr) -> Result<Handle, String> {
        // SAFETY: the object is open.
        let entry = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        if entry.is_null() { Err(format!("{} has no {}", self.path, name.to_string_lossy())) } else { Ok(entry) }
    }
}

/// The host functions in a store of the stock engine, in the order of the guest's imports.
fn stock_imports(object: &Object<'_>, context: Handle) -> Result<Vec<StockExtern>, String> {
    // SAFETY: each entry is transmuted to its own declaration in Wasmtime's headers, and called as they say.
    unsafe {
        let valtype_new = transmute::<Handle, unsafe extern "C" fn(u8) -> Handle>(object.entry(c"wasm_valtype_new")?);
        let vec_new =
            transmute::<Handle, unsafe extern "C" fn(*mut Bytes, usize, *const Handle)>(object.entry(c"wasm_valtype_vec_new")?);
        let functype_new =
            transmute::<Handle, unsafe extern "C" fn(*mut Bytes, *mut Bytes) -> Handle>(object.entry(c"wasm_functype_new")?);
        let func_new = transmute::<Handle, FuncNew>(object.entry(c"wasmtime_func_new_unchecked")?);
        let types = |kinds: &[u8]| {
            let kinds: Vec<Handle> = kinds.iter().map(|kind| valtype_new(*kind)).collect();
            let mut types = Bytes { size: 0, data: null_mut() };
            vec_new(&mut types, kinds.len(), kinds.as_ptr());
            types
        };
        let import = |callback: Callback, params: &[u8], results: &[u8]| {
            let mut func = StockFunc { store_id: 0, private: null_mut() };
            let ty = functype_new(&mut types(params), &mut types(results));
            func_new(context, ty, callback, null_mut(), null_mut(), &mut func);
            StockExtern { kind: 0, of: [func.store_id, func.private as u64, 0] }
        };
        let (i32, f32, f64) = (0, 2, 3);
        Ok(vec![
            import(stock_nop, &[], &[]),
            import(stock_mix, &[i32, f32], &[f32]),
            import(stock_sinf, &[f32], &[f32]),
            import(stock_pow, &[f64, f64], &[f64]),
        ])
    }
}

/// Wasmtime's C API with a store of its own. Nothing of it is freed: the program ends soon.
pub struct Stock {
    context: Handle,
    instance: StockInstance,
    export_get: unsafe extern "C" fn(Handle, *const StockInstance, *const c_char, usize, *mut StockExtern) -> bool,
    call_unchecked: unsafe extern "C" fn(Handle, *const StockFunc, *mut Value, usize, *mut Handle) -> Handle,
}

unsafe extern "C" fn stock_nop(_: *mut c_void, _: *mut c_void, _: *mut Value, _: usize) -> *mut c_void {
    null_mut()
}

unsafe extern "C" fn stock_mix(_: *mut c_void, _: *mut c_void, values: *mut Value, _: usize) -> *mut c_void {
    // SAFETY: the engine passes two values of these types.
    unsafe { (*values).f32 = mix((*values).i32, (*values.add(1)).f32) };
    null_mut()
}

unsafe extern "C" fn stock_sinf(_: *mut c_void, _: *mut c_void, values: *mut Value, _: usize) -> *mut c_void {
    // SAFETY: the engine passes one value of this type.
    unsafe { (*values).f32 = sinf((*values).f32) };
    null_mut()
}

unsafe extern "C" fn stock_pow(_: *mut c_void, _: *mut c_void, values: *mut Value, _: usize) -> *mut c_void {
    // SAFETY: the engine passes two values of this type.
    unsafe { (*values).f64 = pow((*values).f64, (*values.add(1)).f64) };
    null_mut()
}

impl Stock {
    /// Opens the library that `WASMTIME` in the environment names; None if it names none. Before the first artifact is loaded: later, the
    /// handlers that it installs would be those of a stranger.
    pub fn of_environment(artifacts: &str) -> Result<Option<Stock>, String> {
        let path = std::env::var("WASMTIME").ok().filter(|path| !path.is_empty());
        path.map(|path| Stock::open(&path, &format!("{artifacts}/crossings.wat"))).transpose()
    }

    fn open(library: &str, module: &str) -> Result<Stock, String> {
        let text = std::fs::read(module).map_err(|e| format!("{module}: {e}"))?;
        let object = Object::open(library)?;
        let none = |error: Handle, what: &str| if error.is_null() { Ok(()) } else { Err(format!("the stock engine: {what}")) };
        // SAFETY: each entry is transmuted to its own declaration in Wasmtime's headers, and called as they say.
        unsafe {
            let engine_new = transmute::<Handle, unsafe extern "C" fn() -> Handle>(object.entry(c"wasm_engine_new")?);
            let wat2wasm = transmute::<Handle, Wat2wasm>(object.entry(c"wasmtime_wat2wasm")?);
            let module_new = transmute::<Handle, ModuleNew>(object.entry(c"wasmtime_module_new")?);
            let store_new = transmute::<Handle, StoreNew>(object.entry(c"wasmtime_store_new")?);
            let store_context = transmute::<Handle, StoreContext>(object.entry(c"wasmtime_store_context")?);
            let instance_new = transmute::<Handle, InstanceNew>(object.entry(c"wasmtime_instance_new")?);

            let engine = engine_new();
            let mut binary = Bytes { size: 0, data: null_mut() };
            none(wat2wasm(text.as_ptr(), text.len(), &mut binary), "the module's text")?;
            let mut module = null_mut();
            none(module_new(engine, binary.data, binary.size, &mut module), "the module")?;
            let context = store_context(store_new(engine, null_mut(), null_mut()));
            let imports = stock_imports(&object, context)?;
            let (mut instance, mut trap) = (StockInstance { store_id: 0, index: 0 }, null_mut());
            none(instance_new(context, module, imports.as_ptr(), imports.len(), &mut instance, &mut trap), "the instance")?;
            none(trap, "the instance")?;
            Ok(Stock {
                context,
                instance,
                export_get: transmute::<Handle, _>(object.entry(c"wasmtime_instance_export_get")?),
                call_unchecked: transmute::<Handle, _>(object.entry(c"wasmtime_func_call_unchecked")?),
            })
        }
    }

    fn func(&self, name: &str) -> Result<StockFunc, String> {
        let mut found = StockExtern { kind: 0, of: [0; 3] };
        // SAFETY: a live store and instance; the name's length is passed.
        match unsafe { (self.export_get)(self.context, &self.instance, name.as_ptr().cast(), name.len(), &mut found) } {
            true => Ok(StockFunc { store_id: found.of[0], private: found.of[1] as *mut c_void }),
            false => Err(format!("the stock engine: there is no {name}")),
        }
    }

    fn call(&self, func: &StockFunc, n: u64) {
        let (mut values, mut trap) = ([Value { i32: n as i32 }], null_mut());
        // SAFETY: a live store, and a func of its with one parameter.
        let error = unsafe { (self.call_unchecked)(self.context, func, values.as_mut_ptr(), 1, &mut trap) };
        assert!(error.is_null() && trap.is_null());
    }
}

// ---- counting instructions ----

/// Calls whose instructions are counted.
const COUNTED: u64 = 1000;

/// Counts the instructions of a case's subjects, under callgrind: one dump each, named as tests/bench-check/figures.py reads it.
pub fn count(case: &str, subjects: Vec<Subject<'_>>) {
    for mut subject in subjects {
        (subject.run)(100);
        callgrind(ZERO_STATS, null());
        callgrind(TOGGLE_COLLECT, null());
        (subject.run)(COUNTED);
        callgrind(TOGGLE_COLLECT, null());
        let name = format!("{case}:{} {COUNTED}", subject.name.replace(' ', "-"));
        let name = CString::new(name).expect("a name without zero");
        callgrind(DUMP_STATS_AT, name.as_ptr());
    }
}

const BASE: usize = (b'C' as usize) << 24 | (b'T' as usize) << 16;
const ZERO_STATS: usize = BASE + 1;
const TOGGLE_COLLECT: usize = BASE + 2;
const DUMP_STATS_AT: usize = BASE + 3;

/// A request to callgrind; nothing outside of it.
fn callgrind(request: usize, argument: *const c_char) {
    let arguments = [request, argument as usize, 0, 0, 0, 0];
    // SAFETY: the sequence that valgrind recognises; on a processor it changes nothing.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(), inout("rdx") 0usize => _, inout("rdi") 0usize => _,
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = arguments;
}
