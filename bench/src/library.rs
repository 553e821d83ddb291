//! The shared library as a host sees it: opened at run time, called through the C ABI.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub union Value {
    pub i32: i32,
    pub bytes: [u8; 16],
    _align: u64,
}

#[repr(C)]
pub struct Error {
    status: i32,
    os_error: i32,
    message: [c_char; 504],
}

pub type Handle = *mut c_void;
pub type Invoke = unsafe extern "C" fn(Handle, *mut Value, usize) -> i32;
pub type HostFunc = unsafe extern "C" fn(*mut c_void, Handle, *mut Value) -> i32;

/// The entries that the benchmark uses, with the signatures of rtwasm.h.
pub struct Library {
    object: *mut c_void,
    pub invoke: Invoke,
    pub func_stats: unsafe extern "C" fn(Handle, *mut Stats) -> i32,
    stats_init: unsafe extern "C" fn(*mut Stats),
    config_init: unsafe extern "C" fn(*mut RuntimeConfig),
    runtime_create: unsafe extern "C" fn(*const RuntimeConfig, *mut Handle, *mut Error) -> i32,
    module_load_file: unsafe extern "C" fn(Handle, *const c_char, *mut Handle, *mut Error) -> i32,
    imports_create: unsafe extern "C" fn(*mut Handle, *mut Error) -> i32,
    imports_func:
        unsafe extern "C" fn(Handle, *const c_char, *const c_char, *const c_char, HostFunc, *mut c_void, *mut Error) -> i32,
    instance_config_init: unsafe extern "C" fn(*mut InstanceConfig),
    instance_create: unsafe extern "C" fn(Handle, Handle, *const InstanceConfig, *mut Handle, *mut Error) -> i32,
    instance_func: unsafe extern "C" fn(Handle, *const c_char, *const c_char, *mut Handle, *mut Error) -> i32,
    thread_attach: unsafe extern "C" fn(Handle, *const c_void, *mut Error) -> i32,
    instance_prepare: unsafe extern "C" fn(Handle, *const c_void, *mut c_void, *mut Error) -> i32,
    thread_detach: unsafe extern "C" fn(Handle, *mut Error) -> i32,
    func_destroy: unsafe extern "C" fn(Handle),
    instance_destroy: unsafe extern "C" fn(Handle),
    imports_destroy: unsafe extern "C" fn(Handle),
    module_destroy: unsafe extern "C" fn(Handle),
    runtime_destroy: unsafe extern "C" fn(Handle),
}

/// rtw_runtime_config_t.
#[repr(C)]
pub struct RuntimeConfig {
    struct_size: u32,
    profile: u32,
    cpu_set: [u64; 16],
    sched_policy: u32,
    priority: i32,
    statistics: u32,
    memory_lock: u32,
    guest_stack_bytes: u64,
    watchdog_tick_ns: u64,
    reserved: [u64; 7],
}

/// rtw_instance_config_t.
#[repr(C)]
pub struct InstanceConfig {
    struct_size: u32,
    growth: u32,
    denormals: u32,
    on_budget: u32,
    memory_limit_bytes: u64,
    growth_ahead_bytes: u64,
    budget_ns: u64,
    deadline_ns: u64,
    reserved: [u64; 5],
}

/// How a guest shall run.
#[derive(Clone, Copy)]
pub struct Options {
    pub plugin: bool,
    pub statistics: bool,
    /// RTW_DENORMALS_...
    pub denormals: u32,
    /// 0: none.
    pub budget_ns: u64,
}

/// rtw_func_stats_t, of which only the calls are looked at.
#[repr(C)]
pub struct Stats {
    struct_size: u32,
    reserved0: u32,
    pub calls: u64,
    rest: [u64; 21],
}

/// A guest in the shared library, on an attached thread until it is dropped; its funcs go with it.
pub struct Guest<'a> {
    library: &'a Library,
    pub runtime: Handle,
    pub instance: Handle,
    funcs: RefCell<Vec<Handle>>,
}

unsafe extern "C" fn host_nop(_: *mut c_void, _: Handle, _: *mut Value) -> i32 {
    0
}

impl Library {
    pub fn open(path: &str) -> Result<Library, String> {
        let c_path = CString::new(path).map_err(|e| e.to_string())?;
        // SAFETY: opening runs the library's initialisers, which is what any host does.
        let object = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW) };
        if object.is_null() {
            // SAFETY: dlerror returns a NUL-terminated string after a failure.
            return Err(unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned());
        }
        let entry = |name: &str| {
            let c_name = CString::new(name).map_err(|e| e.to_string())?;
            // SAFETY: the object is open; it is never closed.
            let entry = unsafe { libc::dlsym(object, c_name.as_ptr()) };
            if entry.is_null() { Err(format!("{path} has no {name}")) } else { Ok(entry) }
        };
        // SAFETY: each is transmuted to its own declaration in rtwasm.h.
        unsafe {
            use std::mem::transmute;
            Ok(Library {
                object,
                invoke: transmute::<*mut c_void, Invoke>(entry("rtw_invoke")?),
                func_stats: transmute::<*mut c_void, _>(entry("rtw_func_stats")?),
                stats_init: transmute::<*mut c_void, _>(entry("rtw_func_stats_init")?),
                config_init: transmute::<*mut c_void, _>(entry("rtw_runtime_config_init")?),
                runtime_create: transmute::<*mut c_void, _>(entry("rtw_runtime_create")?),
                module_load_file: transmute::<*mut c_void, _>(entry("rtw_module_load_file")?),
                imports_create: transmute::<*mut c_void, _>(entry("rtw_imports_create")?),
                imports_func: transmute::<*mut c_void, _>(entry("rtw_imports_func")?),
                instance_config_init: transmute::<*mut c_void, _>(entry("rtw_instance_config_init")?),
                instance_create: transmute::<*mut c_void, _>(entry("rtw_instance_create")?),
                instance_func: transmute::<*mut c_void, _>(entry("rtw_instance_func")?),
                thread_attach: transmute::<*mut c_void, _>(entry("rtw_thread_attach")?),
                instance_prepare: transmute::<*mut c_void, _>(entry("rtw_instance_prepare")?),
                thread_detach: transmute::<*mut c_void, _>(entry("rtw_thread_detach")?),
                func_destroy: transmute::<*mut c_void, _>(entry("rtw_func_destroy")?),
                instance_destroy: transmute::<*mut c_void, _>(entry("rtw_instance_destroy")?),
                imports_destroy: transmute::<*mut c_void, _>(entry("rtw_imports_destroy")?),
                module_destroy: transmute::<*mut c_void, _>(entry("rtw_module_destroy")?),
                runtime_destroy: transmute::<*mut c_void, _>(entry("rtw_runtime_destroy")?),
            })
        }
    }

    /// Another entry, for a part of the benchmark of its own.
    pub fn entry(&self, name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: a live object and a NUL-terminated name.
        let address = unsafe { libc::dlsym(self.object, name.as_ptr()) };
        if address.is_null() { Err(format!("the library has no {}", name.to_string_lossy())) } else { Ok(address) }
    }

    /// Loads a guest, attaches this thread and prepares the instance.
    pub fn guest(&self, artifact: &str, options: Options) -> Result<Guest<'_>, String> {
        let path = CString::new(artifact).map_err(|e| e.to_string())?;
        let mut err = Error::none();
        let (mut runtime, mut module, mut imports, mut instance) = (null_mut(), null_mut(), null_mut(), null_mut());
        // SAFETY: all structs are live and initialised by the library; all handles are the library's own.
        unsafe {
            let mut config = std::mem::MaybeUninit::uninit();
            (self.config_init)(config.as_mut_ptr());
            let mut config = config.assume_init();
            config.profile = u32::from(options.plugin);
            config.statistics = u32::from(options.statistics);
            let e = &mut err as *mut Error;
            check((self.runtime_create)(&config, &mut runtime, e), e)?;
            check((self.module_load_file)(runtime, path.as_ptr(), &mut module, e), e)?;
            check((self.imports_create)(&mut imports, e), e)?;
            let nop = (c"host".as_ptr(), c"nop".as_ptr(), c"()->()".as_ptr());
            check((self.imports_func)(imports, nop.0, nop.1, nop.2, host_nop, null_mut(), e), e)?;
            let mut config = std::mem::MaybeUninit::uninit();
            (self.instance_config_init)(config.as_mut_ptr());
            let mut config = config.assume_init();
            config.denormals = options.denormals;
            config.budget_ns = options.budget_ns;
            check((self.instance_create)(module, imports, &config, &mut instance, e), e)?;
            check((self.thread_attach)(runtime, null(), e), e)?;
            check((self.instance_prepare)(instance, null(), null_mut(), e), e)?;
            // What is still needed is kept by the instance.
            (self.imports_destroy)(imports);
            (self.module_destroy)(module);
        }
        Ok(Guest { library: self, runtime, instance, funcs: RefCell::new(Vec::new()) })
    }

    pub fn empty_stats(&self) -> Stats {
        let mut stats = Stats { struct_size: 0, reserved0: 0, calls: 0, rest: [0; 21] };
        // SAFETY: as large as the library's own struct, which the first use confirms by its size.
        unsafe { (self.stats_init)(&mut stats) };
        stats
    }
}

impl Guest<'_> {
    pub fn func(&self, name: &CStr) -> Result<Handle, String> {
        let mut err = Error::none();
        let mut func = null_mut();
        // SAFETY: live handles and structs.
        unsafe {
            let e = &mut err as *mut Error;
            check((self.library.instance_func)(self.instance, name.as_ptr(), null(), &mut func, e), e)?;
        }
        self.funcs.borrow_mut().push(func);
        Ok(func)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // SAFETY: attached on this thread when it was made; no call runs, and funcs are not used without their guest.
        unsafe {
            self.funcs.borrow().iter().for_each(|func| (self.library.func_destroy)(*func));
            (self.library.instance_destroy)(self.instance);
            (self.library.thread_detach)(self.runtime, null_mut());
            (self.library.runtime_destroy)(self.runtime);
        }
    }
}

impl Error {
    pub fn none() -> Error {
        Error { status: 0, os_error: 0, message: [0; 504] }
    }
}

/// # Safety
/// The error struct was filled by the library, where the status is not 0.
pub unsafe fn check(status: i32, err: *const Error) -> Result<(), String> {
    match status {
        0 => Ok(()),
        // SAFETY: filled by the library, NUL-terminated.
        _ => Err(format!("status {status}: {}", unsafe { CStr::from_ptr((*err).message.as_ptr()) }.to_string_lossy())),
    }
}
