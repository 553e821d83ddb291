//! The runtime: what all modules, instances and threads of one owner have in common.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use wasmtime::Engine;

use super::held::Pool;
use super::housekeeper::Housekeeper;
use super::instance::Core;
use super::memory::Creator;
use super::profile::{self, Profile, Settings, Variations};
use super::refusal::refused;
use super::signal_watch::SignalWatch;
use super::watchdog::Watchdog;
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
    /// The only one whose artifacts it loads; None: both.
    pub profile: Option<Profile>,
    /// Whether the engine's handlers may be installed, which the standalone profile needs.
    pub allow_signal_handlers: bool,
    /// What attached threads get, unless they ask for something else.
    pub cpus: Option<CpuSet>,
    pub scheduling: Option<(Policy, i32)>,
    /// Whether calls are timed and recorded.
    pub statistics: bool,
    pub lock: Lock,
    pub guest_stack_bytes: usize,
    /// How often the watchdog looks, in ns; 0: as often as the smallest budget needs.
    pub watchdog_tick_ns: u64,
    /// Whether every call asks whether faults would arrive, instead of the housekeeper now and then. Standalone profile only.
    pub ask_at_every_call: bool,
    /// What all guests of the runtime may hold together; 0: no limit.
    pub memory_limit_bytes: u64,
    /// Whether a call attaches its thread where that is not attached.
    pub attach_on_call: bool,
}

pub struct Runtime {
    pub config: Config,
    variations: Variations,
    /// What its guests hold.
    pub held: Arc<Pool>,
    /// Tells runtimes apart for ever, as an address would not.
    number: u64,
    /// Does what must not hold up a thread that has deadlines.
    housekeeper: Housekeeper,
    watchdog: Watchdog,
    signal_watch: Arc<SignalWatch>,
    /// Threads that a call has attached.
    late_attaches: AtomicU64,
    /// How many threads are attached, for as long as there is a runtime to be attached to.
    attached: Arc<AtomicU64>,
}

impl Config {
    /// Whether guests of the standalone profile can come.
    pub fn may_use_signals(&self) -> bool {
        self.allow_signal_handlers && self.profile != Some(Profile::Plugin)
    }
}

impl Runtime {
    pub fn new(config: Config) -> Result<Arc<Runtime>> {
        Runtime::varied(config, Variations::default())
    }

    /// One whose engines differ from the product's, for tools.
    pub fn varied(config: Config, variations: Variations) -> Result<Arc<Runtime>> {
        filter::check()?;
        fork::undisturbed(clock::calibration);
        memory::warm_own_image(config.lock)?;
        // For resets: where the process has threads already, the kernel takes its time, once.
        membarrier::register();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Relaxed);
        let housekeeper = Housekeeper::new(config.guest_stack_bytes, config.cpus);
        let watchdog = Watchdog::new(config.watchdog_tick_ns, config.scheduling);
        let always = config.ask_at_every_call && config.may_use_signals();
        let signal_watch = Arc::new(SignalWatch::new(always));
        let held = Pool::new("runtime", config.memory_limit_bytes);
        let (late_attaches, attached) = Default::default();
        let runtime =
            Runtime { config, variations, held, number, housekeeper, watchdog, signal_watch, late_attaches, attached };
        // The process-wide part of an engine's making (signal handlers, in the standalone profile) happens now where it is known to be
        // needed, and otherwise when the first module comes that needs it.
        if let Some(profile) = runtime.config.profile {
            runtime.engine(&Settings::new(profile))?;
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

    /// An engine for an artifact with these settings. Each module has its own: an engine has locks that refuse everybody once
    /// something has panicked inside, and damaged code can make it panic.
    pub fn engine(&self, settings: &Settings) -> Result<Engine> {
        if settings.profile == Profile::Standalone {
            self.check_handlers_allowed()?;
            filter::check_handlers()?;
        }
        let mut config = profile::config(settings, self.config.guest_stack_bytes);
        profile::vary(&mut config, self.variations)?;
        if !self.variations.engine_memories() {
            config.with_host_memory(Arc::new(Creator));
        }
        let engine = fork::undisturbed(|| Engine::new(&config))
            .map_err(|e| refused(RTW_ERR_ENGINE, "the engine cannot be set up", &e))?;
        if settings.profile == Profile::Standalone {
            handlers::remember_engine_handlers();
        }
        Ok(engine)
    }

    /// Whether a guest of the standalone profile may come.
    pub fn check_handlers_allowed(&self) -> Result<()> {
        match self.config.allow_signal_handlers {
            true => Ok(()),
            false => Err(Error::new(
                RTW_ERR_SIGNALS,
                "the standalone profile needs signal handlers, and the runtime may install none (allow_signal_handlers is 0): compile \
                 with --profile plugin",
            )),
        }
    }

    /// What a thread gets when it asks for nothing in particular.
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

    /// Puts the watchdog above the calling thread, whose scheduling may have changed since it was attached.
    pub fn watch_over(&self) -> Result<()> {
        match sched::current() {
            Some(scheduling) => self.watchdog.rise_above(scheduling),
            None => Ok(()),
        }
    }

    /// Attaches the calling thread, which is in a call: what only the host may decide stays as it is. Takes its time.
    #[cold]
    #[inline(never)]
    pub fn attach_late(&self) -> Result<()> {
        arena::in_setup(|| self.attach(&Attach { scheduling: None, cpus: None, late: true, ..self.default_attach() }))?;
        self.late_attaches.fetch_add(1, Relaxed);
        Ok(())
    }

    /// How many threads calls have attached so far.
    pub fn late_attaches(&self) -> u64 {
        self.late_attaches.load(Relaxed)
    }

    /// How many threads are attached now.
    pub fn attached(&self) -> u64 {
        self.attached.load(Relaxed)
    }

    /// Whether the calling thread is. Neither allocates nor waits.
    pub fn is_attached(&self) -> bool {
        permit::is_attached(self.number)
    }

    /// Lets the calling thread in where the last permit did not: by another one, one that was sealed, or by attaching it where that
    /// is wanted. The caller holds cancellation off.
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

    /// Tells it from all others, for ever.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What a [setup] function has to have while it calls guests, on whatever thread this is; refused where its stack has no
    /// room for them.
    pub fn visit(&self) -> Result<Option<Issued>> {
        attach::visit(self.number, self.config.guest_stack_bytes)
    }

    /// Sees to it that guests' faults become traps of that profile become traps on this thread while the answer lives, or tells who is in the way. For [setup]
    /// functions that run guests, or after which the host will.
    pub fn ready_for_traps(&self, profile: Profile) -> Result<Ready> {
        match profile {
            Profile::Standalone => Ready::new(Engine::tls_eager_initialize),
            Profile::Plugin => Ready::needless(Engine::tls_eager_initialize),
        }
    }
}
