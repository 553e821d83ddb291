//! The runtime: the state that all modules, instances and threads of one owner share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use wasmtime::Engine;

use super::artifact::{Limits, PublicKey};
use super::budget::watchdog::Watchdog;
use super::code_image::{CodeImage, Kept};
use super::held::Pool;
use super::housekeeper::Housekeeper;
use super::instance::Core;
use super::log::Sink;
use super::memory::{Creator, Spares};
use super::profile::{self, Profile, Settings, Variations};
use super::refusal::{handlers_refused, refused};
use super::signal_watch::SignalWatch;
use crate::rt::attach::{self, Attach};
use crate::rt::permit::{self, Issued, Opened, Pass, Refused};
use crate::rt::traps::Ready;
use crate::rt::{arena, cancel, fork};
use crate::status::*;
use crate::sys::affinity::CpuSet;
use crate::sys::fpu::Denormals;
use crate::sys::memory::{self, Lock};
use crate::sys::sched::{self, Policy};
use crate::sys::{clock, filter, handlers, membarrier};

#[derive(Clone, Debug)]
pub struct Config {
    /// The only profile whose artifacts it loads; None: both.
    pub profile: Option<Profile>,
    /// True if the runtime may install the engine's handlers, which the standalone profile needs.
    pub allow_signal_handlers: bool,
    /// The CPUs of attached threads, unless they request others.
    pub cpus: Option<CpuSet>,
    pub scheduling: Option<(Policy, i32)>,
    /// True if calls are timed and recorded.
    pub statistics: bool,
    pub lock: Lock,
    pub guest_stack_bytes: usize,
    /// The watchdog's tick, in ns; 0: as often as the smallest budget needs.
    pub watchdog_tick_ns: u64,
    /// True if every call checks that faults would arrive, instead of the housekeeper at intervals. Standalone profile only.
    pub ask_at_every_call: bool,
    /// The limit of what all guests of the runtime hold together; 0: none.
    pub memory_limit_bytes: u64,
    /// True if a call attaches its thread.
    pub attach_on_call: bool,
    /// Receives what guests print and log.
    pub log: Option<Sink>,
    /// The oldest compiler release whose artifacts load; 0: any.
    pub min_compiler_release: u32,
    /// The keys of which one has to have signed each artifact; empty: any artifact loads.
    pub trusted_keys: Vec<PublicKey>,
}

pub struct Runtime {
    pub config: Config,
    variations: Variations,
    /// The account of the runtime's guests.
    pub held: Arc<Pool>,
    /// Memories for guests to come.
    spares: Arc<Spares>,
    /// Identifies the runtime for good; an address could be reused.
    number: u64,
    /// Runs work that must not hold up a thread with deadlines.
    housekeeper: Housekeeper,
    watchdog: Watchdog,
    signal_watch: Arc<SignalWatch>,
    /// Memory of modules that are gone.
    pub(super) kept: Arc<Kept>,
    /// The number of threads that a call has attached.
    late_attaches: AtomicU64,
    /// The number of attached threads, as long as the runtime exists.
    attached: Arc<AtomicU64>,
}

impl Config {
    /// True if guests of the standalone profile are possible.
    pub fn may_use_signals(&self) -> bool {
        self.allow_signal_handlers && self.profile != Some(Profile::Plugin)
    }
}

impl Runtime {
    pub fn new(config: Config) -> Result<Arc<Runtime>> {
        Runtime::varied(config, Variations::default())
    }

    /// Creates a runtime whose engines differ from the product's, for tools.
    pub fn varied(config: Config, variations: Variations) -> Result<Arc<Runtime>> {
        let begun = clock::begin();
        filter::check()?;
        fork::reading_objects(|| memory::warm_own_image(config.lock))?;
        // Resets need this. In a process that already has threads, the kernel takes some time, once.
        membarrier::register();
        fork::undisturbed(|| clock::calibration_since(Some(begun)));
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Relaxed);
        let housekeeper = Housekeeper::new(config.guest_stack_bytes, config.cpus);
        let watchdog = Watchdog::new(config.watchdog_tick_ns, config.scheduling);
        let always = config.ask_at_every_call && config.may_use_signals();
        let signal_watch = Arc::new(SignalWatch::new(always));
        let held = Pool::new("runtime", config.memory_limit_bytes);
        let kept = Kept::new(config.lock);
        let (late_attaches, attached, spares) = Default::default();
        let runtime = Runtime {
            config,
            variations,
            held,
            spares,
            number,
            housekeeper,
            watchdog,
            signal_watch,
            kept,
            late_attaches,
            attached,
        };
        // The process-wide part of an engine's creation (signal handlers, in the standalone profile) happens now if the profile
        // is known, otherwise with the first module that needs it.
        if let Some(profile) = runtime.config.profile {
            runtime.engine(&Settings::new(profile), None)?;
        }
        Ok(Arc::new(runtime))
    }

    pub fn housekeeper(&self) -> &Housekeeper {
        &self.housekeeper
    }

    pub fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    pub fn signal_watch(&self) -> &SignalWatch {
        &self.signal_watch
    }

    /// Creates an engine for an artifact with these settings. Each module has its own: after a panic inside, an engine's locks
    /// refuse every later user, and damaged code can make it panic. It keeps `code`, which it will run in place.
    pub fn engine(&self, settings: &Settings, code: Option<Arc<CodeImage>>) -> Result<Engine> {
        if settings.profile == Profile::Standalone {
            if !self.config.allow_signal_handlers {
                return Err(handlers_refused());
            }
            filter::check_handlers()?;
        }
        let mut config = profile::config(settings, self.config.guest_stack_bytes);
        profile::vary(&mut config, self.variations)?;
        if !self.variations.engine_memories() {
            config.with_host_memory(Arc::new(Creator(self.spares.clone())));
        }
        if let Some(code) = code {
            config.with_custom_code_memory(Some(code));
        }
        let engine = fork::undisturbed(|| Engine::new(&config))
            .map_err(|e| refused(RTW_ERR_ENGINE, "the engine cannot be set up", &e))?;
        if settings.profile == Profile::Standalone {
            handlers::remember_engine_handlers();
        }
        Ok(engine)
    }

    /// The limits to what the runtime loads.
    pub fn limits(&self) -> Limits {
        Limits {
            profile: self.config.profile,
            no_handlers: !self.config.allow_signal_handlers,
            min_release: self.config.min_compiler_release,
        }
    }

    /// The configuration of an attachment without wishes of its own.
    pub fn default_attach(&self) -> Attach {
        Attach {
            scheduling: self.config.scheduling,
            cpus: self.config.cpus,
            guest_stack_bytes: self.config.guest_stack_bytes,
            lock: self.config.lock,
            denormals: Denormals::Keep,
            arena_bytes: arena::DEFAULT_ARENA_BYTES,
            signals: self.config.may_use_signals(),
            stacks: Vec::new(),
            late: false,
            defer_cancellation: true,
        }
    }

    pub fn attach(&self, wanted: &Attach) -> Result<()> {
        if wanted.signals {
            handlers::check()?;
        }
        attach::attach(self.number, &self.attached, wanted, Engine::tls_eager_initialize)?;
        if wanted.signals {
            self.signal_watch.add_thread();
            let watch: Weak<SignalWatch> = Arc::downgrade(&self.signal_watch);
            self.housekeeper.look_after_signals(watch).inspect_err(|_| {
                let _ = self.detach();
            })?;
        }
        self.watch_over().inspect_err(|_| {
            let _ = self.detach();
        })
    }

    /// Puts the watchdog above the calling thread, whose scheduling may have changed since attach.
    pub fn watch_over(&self) -> Result<()> {
        match sched::current() {
            Some(scheduling) => self.watchdog.rise_above(scheduling),
            None => Ok(()),
        }
    }

    /// Attaches the calling thread, which is in a call. Leaves scheduling and affinity to the host. Takes some time.
    #[cold]
    #[inline(never)]
    pub fn attach_late(&self) -> Result<()> {
        arena::in_setup(|| self.attach(&Attach { scheduling: None, cpus: None, late: true, ..self.default_attach() }))?;
        self.late_attaches.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The number of threads that calls have attached.
    pub fn late_attaches(&self) -> u64 {
        self.late_attaches.load(Relaxed)
    }

    /// The number of threads that are attached now.
    pub fn attached(&self) -> u64 {
        self.attached.load(Relaxed)
    }

    /// True if the calling thread is attached. Neither allocates nor waits.
    pub fn is_attached(&self) -> bool {
        permit::is_attached(self.number)
    }

    /// Lets the calling thread in if the last permit did not: by another permit, by a sealed one, or by attaching the thread if
    /// that is configured. The caller holds cancellation off.
    #[cold]
    #[inline(never)]
    pub fn admit(&self, pass: &Pass, here: usize) -> std::result::Result<Option<Opened>, rtw_status_t> {
        match pass.look_up(here) {
            Err(Refused::Unknown) if self.config.attach_on_call => {
                self.attach_late().map_err(|error| error.status)?;
                pass.look_up(here).map_err(Refused::status)
            }
            other => other.map_err(Refused::status),
        }
    }

    pub fn detach(&self) -> Result<()> {
        // SAFETY: they are gates of instances.
        self.signal_watch.each_gate(|gate| unsafe { Core::has_not_left_behind(gate, cancel::section_at()) });
        attach::detach(self.number)?;
        self.signal_watch.remove_thread();
        Ok(())
    }

    /// A number that no other runtime ever has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns what a [setup] function needs to call guests on any thread. Returns an error if the thread's stack has no room
    /// for them.
    pub fn visit(&self) -> Result<Option<Issued>> {
        attach::visit(self.number, self.config.guest_stack_bytes)
    }

    /// Makes guests' faults of that profile become traps on this thread while the returned value lives, or names the obstacle.
    /// For [setup] functions that run guests, or after which the host will.
    pub fn ready_for_traps(&self, profile: Profile) -> Result<Ready> {
        match profile {
            Profile::Standalone => Ready::new(Engine::tls_eager_initialize),
            Profile::Plugin => Ready::needless(Engine::tls_eager_initialize),
        }
    }

    /// The same on a thread on which a guest's fault has just arrived as a signal.
    pub fn ready_for_traps_again(&self) -> Result<Ready> {
        Ready::again(Engine::tls_eager_initialize)
    }
}
