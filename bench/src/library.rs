//! The shared library as a host sees it: opened at run time, called through the C ABI.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub union Value {
    pub i32: i32,
    pub f32: f32,
    pub f64: f64,
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
    object: Handle,
    pub invoke: Invoke,
    pub func_stats: unsafe extern "C" fn(Handle, *mut Stats) -> i32,
    stats_init: unsafe extern "C" fn(*mut Stats, usize),
    config_init: unsafe extern "C" fn(*mut RuntimeConfig, usize),
    runtime_create: unsafe extern "C" fn(*const RuntimeConfig, *mut Handle, *mut Error) -> i32,
    module_load_file: unsafe extern "C" fn(Handle, *const c_char, *mut Handle, *mut Error) -> i32,
    imports_create: unsafe extern "C" fn(*mut Handle, *mut Error) -> i32,
    imports_func: unsafe extern "C" fn(
        Handle,
        *const c_char,
        *const c_char,
        *const c_char,
        HostFunc,
        *mut c_void,
        *mut c_void,
        u32,
        *mut Error,
    ) -> i32,
    instance_config_init: unsafe extern "C" fn(*mut InstanceConfig, usize),
    instance_create: unsafe extern "C" fn(Handle, Handle, *const InstanceConfig, *mut Handle, *mut Error) -> i32,
    instance_func: unsafe extern "C" fn(Handle, *const c_char, *const c_char, *mut Handle, *mut Error) -> i32,
    instance_memory_at: unsafe extern "C" fn(Handle, u64, u64) -> *mut c_void,
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
    signal_checks: u32,
    attach_on_call: u32,
    allow_signal_handlers: u32,
    memory_limit_bytes: u64,
    trusted_keys: *const c_void,
    trusted_key_count: u32,
    min_compiler_release: u32,
    on_log: Option<LogFunc>,
    log_user_data: *mut c_void,
}

type LogFunc = unsafe extern "C" fn(*mut c_void, Handle, u32, *const c_char, usize);

unsafe extern "C" fn ignore_log(_: *mut c_void, _: Handle, _: u32, _: *const c_char, _: usize) {}

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
    stateless: u32,
    initialize: u32,
    log_bytes: u64,
}

/// The set-up of a guest.
#[derive(Clone, Copy)]
pub struct Options {
    pub plugin: bool,
    pub statistics: bool,
    /// RTW_DENORMALS_...
    pub denormals: u32,
    /// 0: none.
    pub budget_ns: u64,
}

/// The beginning of rtw_func_stats_t, of which only the calls are looked at.
#[repr(C)]
pub struct Stats {
    struct_size: u32,
    pub calls: u64,
}

/// A guest in the shared library, on an attached thread until it is dropped; its funcs go with it.
pub struct Guest<'a> {
    pub library: &'a Library,
    pub runtime: Handle,
    pub instance: Handle,
    funcs: RefCell<Vec<Handle>>,
}

unsafe extern "C" {
    fn pthread_setcanceltype(kind: i32, before: *mut i32) -> i32;
    pub fn pthread_setcancelstate(state: i32, before: *mut i32) -> i32;
}
const PTHREAD_CANCEL_ASYNCHRONOUS: i32 = 1;
pub const PTHREAD_CANCEL_DISABLE: i32 = 1;

unsafe extern "C" fn host_nop(_: *mut c_void, _: Handle, _: *mut Value) -> i32 {
    0
}

/// Room for all messages of a batch whose instructions are counted.
const LOG_BYTES: u64 = 1 << 20;

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
                stats_init: transmute::<*mut c_void, _>(entry("rtw_func_stats_init_sized")?),
                config_init: transmute::<*mut c_void, _>(entry("rtw_runtime_config_init_sized")?),
                runtime_create: transmute::<*mut c_void, _>(entry("rtw_runtime_create")?),
                module_load_file: transmute::<*mut c_void, _>(entry("rtw_module_load_file")?),
                imports_create: transmute::<*mut c_void, _>(entry("rtw_imports_create")?),
                imports_func: transmute::<*mut c_void, _>(entry("rtw_imports_func")?),
                instance_config_init: transmute::<*mut c_void, _>(entry("rtw_instance_config_init_sized")?),
                instance_create: transmute::<*mut c_void, _>(entry("rtw_instance_create")?),
                instance_func: transmute::<*mut c_void, _>(entry("rtw_instance_func")?),
                instance_memory_at: transmute::<*mut c_void, _>(entry("rtw_instance_memory_at")?),
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

    /// Makes a guest on this thread, attached as one that can be cancelled at any instruction: its calls hold that off.
    pub fn deferring_guest(&self, artifact: &str, options: Options) -> Result<Guest<'_>, String> {
        let mut before = 0;
        // SAFETY: nobody cancels this thread.
        unsafe { pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &mut before) };
        let guest = self.guest(artifact, options);
        // SAFETY: as above.
        unsafe { pthread_setcanceltype(before, null_mut()) };
        guest
    }

    /// Adds a host function of the module "host" to a list.
    pub fn provide(&self, imports: Handle, name: &CStr, signature: &CStr, func: HostFunc) -> Result<(), String> {
        let mut err = Error::none();
        let e = &mut err as *mut Error;
        let (module, name, signature) = (c"host".as_ptr(), name.as_ptr(), signature.as_ptr());
        // SAFETY: a live list, and strings that are copied.
        unsafe { check((self.imports_func)(imports, module, name, signature, func, null_mut(), null_mut(), 0, e), e) }
    }

    /// Loads a guest, attaches this thread and prepares the instance.
    pub fn guest(&self, artifact: &str, options: Options) -> Result<Guest<'_>, String> {
        self.guest_with(artifact, options, |_| Ok(()))
    }

    /// As `guest`, with more imports than host.nop, and a log that is read and forgotten.
    pub fn guest_with(
        &self,
        artifact: &str,
        options: Options,
        provide: impl FnOnce(Handle) -> Result<(), String>,
    ) -> Result<Guest<'_>, String> {
        let path = CString::new(artifact).map_err(|e| e.to_string())?;
        let mut err = Error::none();
        let (mut runtime, mut module, mut imports, mut instance) = (null_mut(), null_mut(), null_mut(), null_mut());
        // SAFETY: all structs are live and initialised by the library; all handles are the library's own.
        unsafe {
            let mut config = std::mem::MaybeUninit::uninit();
            (self.config_init)(config.as_mut_ptr(), size_of::<RuntimeConfig>());
            let mut config = config.assume_init();
            config.profile = u32::from(options.plugin);
            config.statistics = u32::from(options.statistics);
            config.on_log = Some(ignore_log);
            let e = &mut err as *mut Error;
            check((self.runtime_create)(&config, &mut runtime, e), e)?;
            check((self.module_load_file)(runtime, path.as_ptr(), &mut module, e), e)?;
            check((self.imports_create)(&mut imports, e), e)?;
            self.provide(imports, c"nop", c"()->()", host_nop)?;
            provide(imports)?;
            let mut config = std::mem::MaybeUninit::uninit();
            (self.instance_config_init)(config.as_mut_ptr(), size_of::<InstanceConfig>());
            let mut config = config.assume_init();
            config.denormals = options.denormals;
            config.budget_ns = options.budget_ns;
            config.log_bytes = LOG_BYTES;
            check((self.instance_create)(module, imports, &config, &mut instance, e), e)?;
            check((self.thread_attach)(runtime, null(), e), e)?;
            check((self.instance_prepare)(instance, null(), null_mut(), e), e)?;
            // The instance keeps what is still needed alive.
            (self.imports_destroy)(imports);
            (self.module_destroy)(module);
        }
        Ok(Guest { library: self, runtime, instance, funcs: RefCell::new(Vec::new()) })
    }

    pub fn empty_stats(&self) -> Stats {
        let mut stats = Stats { struct_size: 0, calls: 0 };
        // SAFETY: as large as its first field says.
        unsafe { (self.stats_init)(&mut stats, size_of::<Stats>()) };
        stats
    }
}

/// The entries that read statistics of more than one func.
pub struct Statistics {
    pub instance_stats: unsafe extern "C" fn(Handle, *mut Stats) -> i32,
    pub interval_read: unsafe extern "C" fn(Handle, *mut Stats) -> i32,
    instance_interval: unsafe extern "C" fn(Handle, *mut Handle, *mut Error) -> i32,
    config_init: unsafe extern "C" fn(*mut ExportConfig, usize),
    instance_export: unsafe extern "C" fn(Handle, *const ExportConfig, *mut usize, *mut Error) -> i32,
}

/// rtw_export_config_t.
#[repr(C)]
struct ExportConfig {
    struct_size: u32,
    format: u32,
    path: *const c_char,
    buffer: *mut u8,
    buffer_bytes: u64,
    name: *const c_char,
    series: *const c_char,
    expected_interval_ns: u64,
}

impl Statistics {
    pub fn of(library: &Library) -> Result<Statistics, String> {
        let entry = |name: &CStr| {
            // SAFETY: the object is open; it is never closed.
            let entry = unsafe { libc::dlsym(library.object, name.as_ptr()) };
            if entry.is_null() { Err(format!("the library has no {}", name.to_string_lossy())) } else { Ok(entry) }
        };
        // SAFETY: each is transmuted to its own declaration in rtwasm.h.
        unsafe {
            use std::mem::transmute;
            Ok(Statistics {
                instance_stats: transmute::<Handle, _>(entry(c"rtw_instance_stats")?),
                interval_read: transmute::<Handle, _>(entry(c"rtw_interval_read")?),
                instance_interval: transmute::<Handle, _>(entry(c"rtw_instance_interval")?),
                config_init: transmute::<Handle, _>(entry(c"rtw_export_config_init_sized")?),
                instance_export: transmute::<Handle, _>(entry(c"rtw_instance_export")?),
            })
        }
    }

    pub fn interval_of(&self, instance: Handle) -> Result<Handle, String> {
        let mut err = Error { status: 0, os_error: 0, message: [0; 504] };
        let mut interval = null_mut();
        // SAFETY: live handles and structs.
        unsafe {
            let e = &mut err as *mut Error;
            check((self.instance_interval)(instance, &mut interval, e), e)?;
        }
        Ok(interval)
    }

    pub fn export_json(&self, instance: Handle, text: &mut [u8]) -> i32 {
        let mut config = std::mem::MaybeUninit::uninit();
        // SAFETY: the struct is initialised by the library; the buffer is as large as it says.
        unsafe {
            (self.config_init)(config.as_mut_ptr(), size_of::<ExportConfig>());
            let mut config = config.assume_init();
            (config.buffer, config.buffer_bytes) = (text.as_mut_ptr(), text.len() as u64);
            (self.instance_export)(instance, &config, null_mut(), null_mut())
        }
    }
}

impl Guest<'_> {
    pub fn instance(&self) -> Handle {
        self.instance
    }

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

    /// Calls a func once; the i32 that it answers, if it does.
    pub fn call(&self, name: &CStr, mut values: [Value; 3]) -> Result<i32, String> {
        // SAFETY: a live func of this thread's instance; no func here has more than three values, and any bits are an i32.
        unsafe {
            match (self.library.invoke)(self.func(name)?, values.as_mut_ptr(), 3) {
                0 => Ok(values[0].i32),
                status => Err(format!("{}: status {status}", name.to_string_lossy())),
            }
        }
    }

    /// Floats in the guest's memory, between calls.
    pub fn floats(&mut self, address: i32, count: usize) -> Result<&mut [f32], String> {
        // SAFETY: the library answers with as many bytes as are asked for, or NULL; the memory does not move, and the guest
        // is not in a call.
        unsafe {
            let at = (self.library.instance_memory_at)(self.instance, address as u64, 4 * count as u64);
            if at.is_null() || !(at as usize).is_multiple_of(align_of::<f32>()) {
                return Err(format!("no {count} floats at {address}"));
            }
            Ok(std::slice::from_raw_parts_mut(at.cast(), count))
        }
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
