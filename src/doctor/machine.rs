//! Facts about the machine that several checks need, read once.

use std::cell::OnceCell;

use super::parse::{self, CpuList, Task, field};
use super::root::Root;
use super::{Class, Options, Severity, inflate};
use crate::artifact::Metadata;

/// An artifact's needs.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub metadata: Metadata,
    pub code_bytes: u64,
}

pub struct Machine<'a> {
    pub root: Root,
    pub options: &'a Options,
    /// /proc/thread-self/status
    status: Option<String>,
    limits: Option<String>,
    pub command_line: Option<String>,
    cpuinfo: OnceCell<Option<String>>,
    kernel_config: OnceCell<Option<String>>,
    processes: OnceCell<Vec<(u32, Task)>>,
}

/// Capabilities by their bits in CapEff.
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_NICE: u32 = 23;

/// The number of CPUs that are examined one by one if none was chosen.
const MAX_EXAMINED_CPUS: usize = 64;

impl<'a> Machine<'a> {
    pub fn new(options: &'a Options) -> Machine<'a> {
        let root = Root::new(options.root.as_deref());
        Machine {
            status: root.word("proc/thread-self/status").or_else(|| root.word("proc/self/status")),
            limits: root.word("proc/self/limits"),
            command_line: root.word("proc/cmdline"),
            cpuinfo: OnceCell::new(),
            kernel_config: OnceCell::new(),
            processes: OnceCell::new(),
            root,
            options,
        }
    }

    pub fn is_live(&self) -> bool {
        self.root.is_live()
    }

    pub fn period_ns(&self, class: Class) -> u64 {
        self.options.period_ns.unwrap_or(class.period_ns())
    }

    /// The severity for each class, by its period; `None` if `judge` finds it good.
    pub fn by_period(&self, judge: impl Fn(Class, u64) -> Option<Severity>) -> super::ByClass {
        Class::ALL.map(|class| judge(class, self.period_ns(class)))
    }

    pub fn description(&self) -> String {
        let system = match self.release() {
            Some(release) => format!("Linux {}", parse::shown(&release)),
            None => "an unknown kernel".into(),
        };
        let cpus = match self.online_cpus() {
            Some(online) => parse::count(online.count(), "CPU"),
            None => "an unknown number of CPUs".into(),
        };
        let model = self.cpuinfo().and_then(|text| {
            text.lines().find_map(|line| Some(line.split_once(':').filter(|(key, _)| key.trim() == "model name")?.1.trim()))
        });
        match model {
            Some(model) => format!("{system}, {cpus}, {}", parse::shown(model)),
            None => format!("{system}, {cpus}"),
        }
    }

    // --- the kernel

    pub fn release(&self) -> Option<String> {
        self.root.word("proc/sys/kernel/osrelease")
    }

    /// The kernel's build configuration, one `CONFIG_X=y` a line.
    #[inline(never)]
    pub fn kernel_config(&self) -> Option<&str> {
        let read = || {
            let packed = self.root.bytes("proc/config.gz").and_then(|bytes| inflate::gunzip(&bytes));
            let text = packed.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            text.or_else(|| self.root.word(&format!("boot/config-{}", self.release()?)))
        };
        self.kernel_config.get_or_init(read).as_deref()
    }

    /// True if an option of the kernel's is built in; `None` if its configuration cannot be read.
    pub fn kernel_has(&self, option: &str) -> Option<bool> {
        let config = self.kernel_config()?;
        Some(config.lines().any(|line| line.strip_prefix(option) == Some("=y")))
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        parse::parameter(self.command_line.as_deref()?, name)
    }

    #[inline(never)]
    pub fn is_preempt_rt(&self) -> Option<bool> {
        if self.root.number("sys/kernel/realtime") == Some(1) {
            return Some(true);
        }
        let version = self.root.word("proc/sys/kernel/version").or_else(|| self.root.word("proc/version"))?;
        Some(version.contains("PREEMPT_RT") || version.contains("PREEMPT RT"))
    }

    pub fn cpuinfo(&self) -> Option<&str> {
        self.cpuinfo.get_or_init(|| self.root.word("proc/cpuinfo")).as_deref()
    }

    /// The first CPU's features, by the kernel's names.
    pub fn cpu_flags(&self) -> Option<Vec<&str>> {
        let is_flags = |key: &str| matches!(key.trim(), "flags" | "Features");
        let flags = self.cpuinfo()?.lines().find_map(|line| line.split_once(':').filter(|(key, _)| is_flags(key)));
        flags.map(|(_, words)| words.split_whitespace().collect())
    }

    #[inline(never)]
    pub fn is_virtual(&self) -> Option<bool> {
        let product = self.root.word("sys/class/dmi/id/product_name");
        let by_name = product.as_ref().map(|name| {
            let known =
                ["Virtual", "VMware", "KVM", "QEMU", "Standard PC", "Bochs", "HVM domU", "Google Compute", "Firecracker"];
            known.iter().any(|part| name.contains(part))
        });
        let by_flag = self.cpu_flags().map(|flags| flags.contains(&"hypervisor"));
        let by_type = self.root.word("sys/hypervisor/type").map(|_| true);
        // Boards have a device tree; a virtual machine's names the machine or its hypervisor.
        let by_tree = self.root.word("proc/device-tree/model").map(|model| model.contains("dummy-virt"));
        let by_node = self.root.word("proc/device-tree/hypervisor/compatible").map(|_| true);
        let told = [by_name, by_flag, by_type, by_tree, by_node];
        if told.iter().all(Option::is_none) { None } else { Some(told.contains(&Some(true))) }
    }

    // --- the process

    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    #[inline(never)]
    pub fn status_field(&self, name: &str) -> Option<&str> {
        field(self.status()?, name)
    }

    pub fn status_kib(&self, name: &str) -> Option<u64> {
        parse::kib(self.status()?, name)
    }

    /// The soft and the hard limit of the process; `u64::MAX` means unlimited.
    #[inline(never)]
    pub fn limit(&self, name: &str) -> Option<(u64, u64)> {
        parse::limit(self.limits.as_deref()?, name)
    }

    /// True if the process has the capability outside of user namespaces: scheduling and locking check it in the first
    /// namespace.
    #[inline(never)]
    fn has_capability(&self, bit: u32) -> Option<bool> {
        let effective = u64::from_str_radix(self.status_field("CapEff")?, 16).ok()?;
        let is_first_namespace = self.root.text("proc/self/uid_map").is_none_or(|map| {
            let numbers: Vec<&str> = map.split_whitespace().collect();
            numbers == ["0", "0", "4294967295"]
        });
        Some(effective >> bit & 1 == 1 && is_first_namespace)
    }

    pub fn may_set_priorities(&self) -> Option<bool> {
        self.has_capability(CAP_SYS_NICE)
    }

    pub fn may_lock_memory(&self) -> Option<bool> {
        self.has_capability(CAP_IPC_LOCK)
    }

    /// True if a limit or a capability permits real-time scheduling to this process.
    #[inline(never)]
    pub fn may_be_real_time(&self) -> Option<bool> {
        let by_limit = self.limit("Max realtime priority").map(|(soft, _)| soft > 0);
        match (by_limit, self.may_set_priorities()) {
            (None, None) => None,
            (limit, capability) => Some(limit == Some(true) || capability == Some(true)),
        }
    }

    /// The calling thread's entry in /proc.
    pub fn own_task(&self) -> Option<Task> {
        let stat = self.root.word("proc/thread-self/stat").or_else(|| self.root.word("proc/self/stat"))?;
        Task::parse(&stat)
    }

    /// All processes except this one, with their numbers.
    #[inline(never)]
    pub fn processes(&self) -> &[(u32, Task)] {
        self.processes.get_or_init(|| {
            let own: Option<u32> = self.status_field("Tgid").and_then(|number| number.parse().ok());
            let numbers = self.root.names("proc").into_iter().filter_map(|name| name.parse().ok());
            numbers
                .filter(|number| Some(*number) != own)
                .filter_map(|number| Some((number, Task::parse(&self.root.word(&format!("proc/{number}/stat"))?)?)))
                .collect()
        })
    }

    // --- CPUs

    #[inline(never)]
    pub fn online_cpus(&self) -> Option<CpuList> {
        CpuList::parse(&self.root.word("sys/devices/system/cpu/online")?)
    }

    #[inline(never)]
    pub fn allowed_cpus(&self) -> Option<CpuList> {
        CpuList::parse(self.status_field("Cpus_allowed_list")?)
    }

    /// The CPUs of the real-time thread: the chosen CPU, or those that this thread may use.
    #[inline(never)]
    pub fn cpus(&self) -> Option<CpuList> {
        match self.options.cpu {
            Some(cpu) => Some(CpuList::only(cpu)),
            None => self.allowed_cpus().or_else(|| self.online_cpus()),
        }
    }

    /// The real-time thread's CPU, if it is a single one.
    pub fn own_cpu(&self) -> Option<usize> {
        self.cpus()?.single()
    }

    /// The sysfs folders of the real-time thread's CPUs.
    #[inline(never)]
    pub fn cpu_folders(&self) -> Vec<(usize, String)> {
        let cpus = self.cpus().unwrap_or(CpuList::EMPTY);
        cpus.iter().take(MAX_EXAMINED_CPUS).map(|cpu| (cpu, format!("sys/devices/system/cpu/cpu{cpu}"))).collect()
    }

    #[inline(never)]
    pub fn isolated_cpus(&self) -> Option<CpuList> {
        CpuList::parse(&self.root.text("sys/devices/system/cpu/isolated")?)
    }
}
