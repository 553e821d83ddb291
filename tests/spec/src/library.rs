//! The two shared libraries as a host sees them: opened at run time, called through the C ABI.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

/// An rtw_value_t.
#[repr(C, align(8))]
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Value(pub [u8; 16]);

pub type Handle = *mut c_void;
pub type HostFunc = unsafe extern "C" fn(*mut c_void, Handle, *mut Value) -> i32;

#[repr(C)]
pub struct Error {
    status: i32,
    os_error: i32,
    message: [c_char; 504],
}

/// A status other than RTW_OK, with its message.
#[derive(Clone, Debug)]
pub struct Refused {
    pub status: i32,
    pub message: String,
}

/// The beginning of rtw_runtime_config_t, of which nothing is set here.
#[repr(C)]
struct RuntimeConfig {
    struct_size: u32,
}

/// The beginning of rtw_compile_options_t.
#[repr(C)]
struct CompileOptions {
    struct_size: u32,
    profile: u32,
    opt_level: u32,
    interruption: u32,
}

#[repr(C)]
struct Limits {
    min: u64,
    max: u64,
    index_64: u32,
}

macro_rules! entries {
    ($($library:ident $name:ident($($ty:ty),*) $(-> $out:ty)?;)*) => {
        /// The entries that the tests use, with the signatures of the headers.
        pub struct Library {
            $($name: unsafe extern "C" fn($($ty),*) $(-> $out)?,)*
        }

        impl Library {
            pub fn open(runtime: &str, compiler: &str) -> Library {
                let (runtime, compiler) = (object(runtime), object(compiler));
                // SAFETY: each is what the headers declare under that name.
                unsafe { Library { $($name: std::mem::transmute::<Handle, unsafe extern "C" fn($($ty),*) $(-> $out)?>(
                    entry(entries!(@ $library runtime compiler), stringify!($name))),)* } }
            }
        }
    };
    (@ runtime $runtime:ident $compiler:ident) => { $runtime };
    (@ compiler $runtime:ident $compiler:ident) => { $compiler };
}

entries! {
    compiler rtw_compile_options_init_sized(*mut CompileOptions, usize);
    compiler rtw_compile(*const u8, usize, *const CompileOptions, *mut Handle, *mut usize, *mut Error) -> i32;
    compiler rtw_compile_free(Handle, usize);
    runtime rtw_runtime_create(*const RuntimeConfig, *mut Handle, *mut Error) -> i32;
    runtime rtw_module_load(Handle, *const c_void, usize, *mut Handle, *mut Error) -> i32;
    runtime rtw_imports_create(*mut Handle, *mut Error) -> i32;
    runtime rtw_imports_func(Handle, *const c_char, *const c_char, *const c_char, HostFunc, Handle, Handle, u32, *mut Error) -> i32;
    runtime rtw_imports_memory(Handle, *const c_char, *const c_char, *const Limits, *mut Error) -> i32;
    runtime rtw_imports_table(Handle, *const c_char, *const c_char, *const Limits, *mut Error) -> i32;
    runtime rtw_imports_global(Handle, *const c_char, *const c_char, *const c_char, *const Value, *mut Error) -> i32;
    runtime rtw_instance_create(Handle, Handle, *const c_void, *mut Handle, *mut Error) -> i32;
    runtime rtw_instance_reset(Handle, *mut Error) -> i32;
    runtime rtw_instance_func(Handle, *const c_char, *const c_char, *mut Handle, *mut Error) -> i32;
    runtime rtw_instance_global_get(Handle, *const c_char, *mut Value, *mut Error) -> i32;
    runtime rtw_thread_attach(Handle, *const c_void, *mut Error) -> i32;
    runtime rtw_thread_detach(Handle, *mut Error) -> i32;
    runtime rtw_invoke(Handle, *mut Value, usize) -> i32;
    runtime rtw_func_destroy(Handle);
    runtime rtw_instance_destroy(Handle);
    runtime rtw_module_destroy(Handle);
    runtime rtw_imports_destroy(Handle);
    runtime rtw_runtime_destroy(Handle);
}

fn object(path: &str) -> Handle {
    let c_path = CString::new(path).expect("a path");
    // SAFETY: opening runs the library's initialisers, which is what any host does.
    let object = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW) };
    // SAFETY: dlerror returns a NUL-terminated string after a failure.
    assert!(!object.is_null(), "{}", unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy());
    object
}

fn entry(object: Handle, name: &str) -> Handle {
    let c_name = CString::new(name).expect("a name");
    // SAFETY: the object is open; it is never closed.
    let entry = unsafe { libc::dlsym(object, c_name.as_ptr()) };
    assert!(!entry.is_null(), "there is no {name}");
    entry
}

/// Calls an entry whose last argument is an error struct.
fn called(call: impl FnOnce(*mut Error) -> i32) -> Result<(), Refused> {
    let mut error = Error { status: 0, os_error: 0, message: [0; 504] };
    match call(&mut error) {
        0 => Ok(()),
        status => {
            assert_eq!(error.status, status, "the error struct has the status");
            // SAFETY: the library ends its messages with a zero byte.
            let message = unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_string_lossy().into_owned();
            Err(Refused { status, message })
        }
    }
}

unsafe extern "C" fn nothing(_: *mut c_void, _: Handle, _: *mut Value) -> i32 {
    0
}

/// One profile, with the budget guard or without it.
#[derive(Clone, Copy)]
pub struct Configuration {
    pub name: &'static str,
    pub plugin: bool,
    pub guard: bool,
}

/// A thread's runtime, to which it is attached, and what the specification's tests import.
pub struct Host<'a> {
    library: &'a Library,
    configuration: Configuration,
    runtime: Handle,
    imports: Handle,
}

/// Destroys its handles when it is dropped.
pub struct Instance<'a> {
    library: &'a Library,
    handle: Handle,
    module: Handle,
}

pub struct Func<'a> {
    library: &'a Library,
    handle: Handle,
}

impl<'a> Host<'a> {
    pub fn new(library: &'a Library, configuration: Configuration) -> Host<'a> {
        let (mut runtime, mut imports) = (null_mut(), null_mut());
        // SAFETY: the entries are what the headers declare, and all arguments are valid.
        unsafe {
            called(|err| (library.rtw_runtime_create)(null(), &mut runtime, err)).expect("a runtime");
            called(|err| (library.rtw_thread_attach)(runtime, null(), err)).expect("attached");
            called(|err| (library.rtw_imports_create)(&mut imports, err)).expect("imports");
            let module = c"spectest".as_ptr();
            for (name, ty) in [
                (c"print", c"()->()"),
                (c"print_i32", c"(i32)->()"),
                (c"print_i64", c"(i64)->()"),
                (c"print_f32", c"(f32)->()"),
                (c"print_f64", c"(f64)->()"),
                (c"print_i32_f32", c"(i32,f32)->()"),
                (c"print_f64_f64", c"(f64,f64)->()"),
            ] {
                called(|err| {
                    (library.rtw_imports_func)(
                        imports,
                        module,
                        name.as_ptr(),
                        ty.as_ptr(),
                        nothing,
                        null_mut(),
                        null_mut(),
                        0,
                        err,
                    )
                })
                .expect("a function");
            }
            let bytes = |bytes: &[u8]| {
                let mut value = Value::default();
                value.0[..bytes.len()].copy_from_slice(bytes);
                value
            };
            for (name, ty, value) in [
                (c"global_i32", c"i32", bytes(&666i32.to_le_bytes())),
                (c"global_i64", c"i64", bytes(&666i64.to_le_bytes())),
                (c"global_f32", c"f32", bytes(&666.6f32.to_le_bytes())),
                (c"global_f64", c"f64", bytes(&666.6f64.to_le_bytes())),
            ] {
                called(|err| (library.rtw_imports_global)(imports, module, name.as_ptr(), ty.as_ptr(), &value, err))
                    .expect("a global");
            }
            let memory = Limits { min: 1, max: 2, index_64: 0 };
            called(|err| (library.rtw_imports_memory)(imports, module, c"memory".as_ptr(), &memory, err)).expect("a memory");
            let table = Limits { min: 10, max: 20, index_64: 0 };
            called(|err| (library.rtw_imports_table)(imports, module, c"table".as_ptr(), &table, err)).expect("a table");
        }
        Host { library, configuration, runtime, imports }
    }

    /// Compiles a module, loads it and creates an instance of it; or the error of the first of these that fails, and the number of
    /// steps that did not fail.
    pub fn instantiate(&self, module: &[u8]) -> Result<Instance<'a>, (u32, Refused)> {
        let library = self.library;
        let mut options = CompileOptions { struct_size: 0, profile: 0, opt_level: 0, interruption: 0 };
        let (mut artifact, mut length, mut loaded, mut handle) = (null_mut(), 0, null_mut(), null_mut());
        // SAFETY: as above; the struct is one of an older header's.
        unsafe {
            (library.rtw_compile_options_init_sized)(&mut options, size_of::<CompileOptions>());
            options.profile = u32::from(self.configuration.plugin);
            options.interruption = if self.configuration.guard { 3 } else { 0 };
            called(|err| (library.rtw_compile)(module.as_ptr(), module.len(), &options, &mut artifact, &mut length, err))
                .map_err(|error| (0, error))?;
            let done = called(|err| (library.rtw_module_load)(self.runtime, artifact, length, &mut loaded, err));
            (library.rtw_compile_free)(artifact, length);
            done.map_err(|error| (1, error))?;
            let done = called(|err| (library.rtw_instance_create)(loaded, self.imports, null(), &mut handle, err));
            let instance = Instance { library, handle, module: loaded };
            done.map(|()| instance).map_err(|error| (2, error))
        }
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // SAFETY: its own handles; nothing uses them any more.
        unsafe {
            let _ = called(|err| (self.library.rtw_thread_detach)(self.runtime, err));
            (self.library.rtw_imports_destroy)(self.imports);
            (self.library.rtw_runtime_destroy)(self.runtime);
        }
    }
}

impl<'a> Instance<'a> {
    pub fn func(&self, name: &str) -> Result<Func<'a>, Refused> {
        let name = CString::new(name).expect("checked before");
        let mut handle = null_mut();
        // SAFETY: valid arguments.
        called(|err| unsafe { (self.library.rtw_instance_func)(self.handle, name.as_ptr(), null(), &mut handle, err) })?;
        Ok(Func { library: self.library, handle })
    }

    pub fn global(&self, name: &str) -> Result<Value, Refused> {
        let name = CString::new(name).expect("checked before");
        let mut value = Value::default();
        // SAFETY: valid arguments.
        called(|err| unsafe { (self.library.rtw_instance_global_get)(self.handle, name.as_ptr(), &mut value, err) })?;
        Ok(value)
    }

    pub fn reset(&self) -> Result<(), Refused> {
        // SAFETY: a valid handle.
        called(|err| unsafe { (self.library.rtw_instance_reset)(self.handle, err) })
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        // SAFETY: its own handles; NULL does nothing.
        unsafe {
            (self.library.rtw_instance_destroy)(self.handle);
            (self.library.rtw_module_destroy)(self.module);
        }
    }
}

impl Func<'_> {
    /// The call's status; `values` has the arguments, then the results.
    pub fn call(&self, values: &mut [Value]) -> i32 {
        // SAFETY: a valid handle; there are as many values as the caller says, and the library checks the number.
        unsafe { (self.library.rtw_invoke)(self.handle, values.as_mut_ptr(), values.len()) }
    }
}

impl Drop for Func<'_> {
    fn drop(&mut self) {
        // SAFETY: its own handle.
        unsafe { (self.library.rtw_func_destroy)(self.handle) };
    }
}
