//! Checks of memory: pages that the kernel can take from a thread, move, or refuse.

use super::machine::Machine;
use super::parse::{self, mebibytes};
use super::severity::{AUDIO_MEDIUM_CONTROL_HIGH, FATAL, HIGH, INFO, MEDIUM};
use super::table::{Check, check};
use super::{Apply::*, Outcome, Severity::*};
use crate::artifact::settings::{Profile, Settings};
use crate::sys::{errno, memory};

pub const CHECKS: &[Check] = &[
    check! {
        id: "memlock",
        title: "right to lock memory",
        severity: AUDIO_MEDIUM_CONTROL_HIGH,
        expected: "CAP_IPC_LOCK, or a limit of at least 64 MiB (RLIMIT_MEMLOCK)",
        why: "the kernel can take unlocked memory away, and it comes back with a page fault in the middle of a call",
        remedy: "Give your user the right, and log in again; for a service, set LimitMEMLOCK=infinity.",
        commands: "echo '@audio - memlock unlimited' > /etc/security/limits.d/95-rtwasm-memlock.conf  # with your group",
        apply: WithThought,
        needs_root: true,
        run: memlock,
    },
    check! {
        id: "memory-locked",
        title: "locked memory",
        severity: MEDIUM,
        expected: "all resident memory",
        why: "under memory pressure the kernel may drop unlocked pages, the host's code and data included",
        remedy: "Set memory_lock (locks what calls touch), or call mlockall(MCL_CURRENT) when everything is loaded.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: memory_locked,
    },
    check! {
        id: "lock-conflict",
        title: "locking of all mappings",
        severity: FATAL,
        expected: "no mlockall(MCL_FUTURE) with a limit below a memory's address space",
        why: "reserved address space then counts as locked, and creating an instance fails",
        remedy: "Raise the limit (memlock), call mlockall with MCL_CURRENT only, or compile with --reservation declared.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: lock_conflict,
    },
    check! {
        id: "swap",
        title: "swap",
        severity: MEDIUM,
        expected: "none, or locked memory",
        why: "reading a page back from swap takes milliseconds",
        remedy: "Lock memory (memory_lock), or switch swap off.",
        commands: "swapoff -a",
        apply: WithThought,
        needs_root: true,
        run: swap,
    },
    check! {
        id: "huge-pages",
        title: "transparent huge pages",
        severity: MEDIUM,
        expected: "madvise or never",
        why: "the kernel merges small pages in the background, and accesses fault meanwhile, in locked memory as well",
        remedy: "Restrict them to programs that request them (madvise).",
        commands: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        apply: Now,
        needs_root: true,
        run: huge_pages,
    },
    check! {
        id: "numa-balancing",
        title: "automatic NUMA balancing",
        severity: HIGH,
        expected: "off, or one node",
        why: "the kernel unmaps pages to see which CPU uses them, and each first access faults, in locked memory as well",
        remedy: "Switch it off.",
        commands: "sysctl -w kernel.numa_balancing=0",
        apply: Now,
        needs_root: true,
        run: numa_balancing,
    },
    check! {
        id: "numa-placement",
        title: "CPUs of one NUMA node",
        severity: MEDIUM,
        expected: "all CPUs of the thread in one node",
        why: "memory of another node is markedly slower, and the CPU that first touches a page decides on its node",
        remedy: "Bind the process to the node of its CPU.",
        commands: "numactl --cpunodebind=NODE --membind=NODE COMMAND",
        apply: WithThought,
        needs_root: false,
        run: numa_placement,
    },
    check! {
        id: "compaction",
        title: "proactive compaction",
        severity: INFO,
        expected: "0",
        why: "the kernel moves pages in the background, and a thread that touches one meanwhile waits",
        remedy: "Switch it off on a controller.",
        commands: "sysctl -w vm.compaction_proactiveness=0",
        apply: Now,
        needs_root: true,
        run: compaction,
    },
    check! {
        id: "page-merging",
        title: "merging of equal pages (KSM)",
        severity: INFO,
        expected: "off",
        why: "a write to a merged page is a page fault",
        remedy: "Switch it off.",
        commands: "echo 0 > /sys/kernel/mm/ksm/run",
        apply: Now,
        needs_root: true,
        run: page_merging,
    },
    check! {
        id: "swap-compression",
        title: "compressed swap (zswap)",
        severity: INFO,
        expected: "off",
        why: "a CPU that runs out of memory spends its time on compressing pages",
        remedy: "Switch it off on a controller.",
        commands: "echo N > /sys/module/zswap/parameters/enabled",
        apply: Now,
        needs_root: true,
        run: swap_compression,
    },
    check! {
        id: "memory-pressure",
        title: "waiting for memory",
        severity: MEDIUM,
        expected: "below 1 % of the time",
        why: "if threads wait for memory, the kernel is taking pages away from processes",
        remedy: "Run less beside it, or add memory.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: memory_pressure,
    },
    check! {
        id: "overcommit",
        title: "overcommitment of memory",
        severity: MEDIUM,
        expected: "0 or 1",
        why: "under strict accounting, the kernel refuses memory to an instance once the limit is reached",
        remedy: "Allow overcommitment, or raise vm.overcommit_ratio.",
        commands: "sysctl -w vm.overcommit_memory=0",
        apply: WithThought,
        needs_root: true,
        run: overcommit,
    },
    check! {
        id: "map-count",
        title: "number of mappings",
        severity: MEDIUM,
        expected: "less than half of the limit in use",
        why: "each instance needs several; at the limit, creating one fails",
        remedy: "Raise the limit.",
        commands: "sysctl -w vm.max_map_count=1048576",
        apply: Now,
        needs_root: true,
        run: map_count,
    },
    check! {
        id: "address-space",
        title: "limit on address space",
        severity: HIGH,
        expected: "unlimited",
        why: "each instance reserves address space for its linear memories, gigabytes unless the artifact says less",
        remedy: "Remove the limit (ulimit -v, LimitAS=), or compile with --reservation declared.",
        commands: "ulimit -v unlimited",
        apply: WithThought,
        needs_root: false,
        run: address_space,
    },
];

/// Locked memory beside guests: the library, threads' stacks and arenas.
const OWN_LOCKED_BYTES: u64 = 8 << 20;
/// The usual need if there is no artifact: guests of some MiB, and the library's part.
const ORDINARY_LOCKED_BYTES: u64 = 64 << 20;

/// Address space that an instance reserves; without an artifact, that of an ordinary guest with one memory.
fn reservation_bytes(machine: &Machine) -> u64 {
    let ordinary = || Settings::new(Profile::Standalone).address_space_bytes([0]);
    machine.options.artifact.as_ref().map_or_else(ordinary, |artifact| artifact.metadata.address_space_bytes())
}

/// Memory that an instance locks: its memories, its code, and the library's part.
fn needed_bytes(machine: &Machine) -> u64 {
    machine.options.artifact.as_ref().map_or(ORDINARY_LOCKED_BYTES, |artifact| {
        let memories = artifact.metadata.memories.iter().fold(0u64, |sum, memory| sum.saturating_add(memory.min_bytes));
        memories.saturating_add(artifact.code_bytes).saturating_add(OWN_LOCKED_BYTES)
    })
}

fn memlock(machine: &Machine) -> Outcome {
    if machine.may_lock_memory() == Some(true) {
        return Outcome::good("CAP_IPC_LOCK");
    }
    let needed = needed_bytes(machine);
    match machine.limit("Max locked memory") {
        None => Outcome::unknown("no /proc/self/limits"),
        Some((limit, _)) => Outcome::good_if(limit >= needed, format!("the limit is {}", mebibytes(limit)))
            .expected(format!("CAP_IPC_LOCK, or a limit of at least {}", mebibytes(needed))),
    }
}

/// True if nearly all resident memory is locked.
fn is_locked(machine: &Machine) -> Option<bool> {
    Some(machine.status_kib("VmLck")? >= machine.status_kib("VmRSS")? / 10 * 9)
}

fn memory_locked(machine: &Machine) -> Outcome {
    let (Some(locked), Some(resident)) = (machine.status_kib("VmLck"), machine.status_kib("VmRSS")) else {
        return Outcome::unknown("no VmLck in /proc/self/status");
    };
    let found = format!("{locked} of {resident} KiB resident");
    match (machine.options.thread, is_locked(machine)) {
        (true, locked) => Outcome::good_if(locked == Some(true), found),
        (false, _) => Outcome::skipped(format!("{found}; not declared the process of the real-time thread")),
    }
}

/// True if new mappings are locked: observed in the process itself, or concluded from all its memory being locked.
fn locks_what_it_maps(machine: &Machine) -> Option<bool> {
    const PROBE_BYTES: u64 = 64 << 10;
    if !machine.is_live() {
        return Some(machine.status_kib("VmLck")? >= machine.status_kib("VmSize")? / 10 * 9);
    }
    let locked_kib = || parse::kib(&machine.root.word("proc/self/status")?, "VmLck");
    let before = locked_kib()?;
    match memory::while_mapped(PROBE_BYTES as usize, locked_kib) {
        Ok(after) => Some(after?.saturating_sub(before) >= PROBE_BYTES >> 10),
        // No room for 64 KiB: only a limit on locked memory causes that.
        Err(error) => Some(error.raw_os_error() == Some(errno::EAGAIN)),
    }
}

fn lock_conflict(machine: &Machine) -> Outcome {
    match locks_what_it_maps(machine) {
        None => return Outcome::unknown("no VmLck in /proc/self/status"),
        Some(false) => return Outcome::good("the process does not lock all mappings"),
        Some(true) => {}
    }
    let (reservation, limit) = (reservation_bytes(machine), machine.limit("Max locked memory"));
    match (machine.may_lock_memory(), limit) {
        (Some(true), _) | (_, Some((u64::MAX, _))) => Outcome::good("it locks all mappings, without a limit"),
        (_, None) => Outcome::unknown("it locks all mappings; no /proc/self/limits"),
        (_, Some((limit, _))) => Outcome::good_if(
            limit > reservation,
            format!("it locks all mappings, at most {}, and an instance reserves {}", mebibytes(limit), mebibytes(reservation)),
        ),
    }
}

fn swap(machine: &Machine) -> Outcome {
    let Some(text) = machine.root.word("proc/swaps") else { return Outcome::unknown("no /proc/swaps") };
    let areas = text.lines().skip(1).filter(|line| !line.trim().is_empty()).count();
    let swappiness = machine.root.number::<u32>("proc/sys/vm/swappiness");
    let found = match swappiness {
        Some(value) => format!("{}, swappiness {value}", parse::count(areas, "swap area")),
        None => parse::count(areas, "swap area"),
    };
    match (areas, is_locked(machine)) {
        (0, _) => Outcome::good("none"),
        (_, Some(true)) => Outcome::good(format!("{found}; the process is locked")),
        _ => Outcome::bad(found),
    }
}

fn huge_pages(machine: &Machine) -> Outcome {
    const FOLDER: &str = "sys/kernel/mm/transparent_hugepage";
    if !machine.root.exists(FOLDER) && machine.root.exists("sys/kernel/mm") {
        return Outcome::good("the kernel has none");
    }
    let Some(text) = machine.root.word(&format!("{FOLDER}/enabled")) else {
        return Outcome::unknown("no /sys/kernel/mm/transparent_hugepage/enabled");
    };
    match parse::chosen(&text) {
        Some("always") => {
            let severity = if machine.is_preempt_rt() == Some(true) {
                [Some(Medium), Some(Medium), Some(High), Some(High)]
            } else {
                MEDIUM
            };
            Outcome::bad("always").severity(severity)
        }
        Some(word @ ("madvise" | "never")) => Outcome::good(word),
        _ => Outcome::unknown("/sys/kernel/mm/transparent_hugepage/enabled is not understood"),
    }
}

fn numa_balancing(machine: &Machine) -> Outcome {
    let nodes = machine.root.numbered("sys/devices/system/node", "node").len();
    match (nodes, machine.root.number::<u32>("proc/sys/kernel/numa_balancing")) {
        (1, _) => Outcome::good("one node"),
        (0, None) => Outcome::unknown("neither nodes nor /proc/sys/kernel/numa_balancing"),
        (_, None | Some(0)) => Outcome::good("off"),
        (0, Some(_)) => Outcome::unknown("on; the number of nodes cannot be read"),
        (_, Some(_)) => Outcome::bad(format!("on, with {}", parse::count(nodes, "node"))),
    }
}

fn numa_placement(machine: &Machine) -> Outcome {
    let Some(cpus) = machine.cpus() else { return Outcome::unknown("the CPUs of this thread are not known") };
    let nodes = machine.root.numbered("sys/devices/system/node", "node");
    let lists = nodes.iter().filter_map(|(_, folder)| parse::CpuList::parse(&machine.root.text(&format!("{folder}/cpulist"))?));
    let touched = lists.filter(|list| list.overlaps(&cpus)).count();
    match (nodes.len(), touched) {
        (0, _) => Outcome::unknown("no /sys/devices/system/node"),
        (1, _) => Outcome::good("one node"),
        (_, 0 | 1) => Outcome::good("the thread's CPUs are of one node"),
        (_, number) => Outcome::bad(format!("the thread may run on {}", parse::count(number, "node"))),
    }
}

fn compaction(machine: &Machine) -> Outcome {
    match machine.root.number::<u32>("proc/sys/vm/compaction_proactiveness") {
        None => Outcome::unknown("no /proc/sys/vm/compaction_proactiveness"),
        Some(value) => Outcome::good_if(value == 0, value.to_string()),
    }
}

fn page_merging(machine: &Machine) -> Outcome {
    match (machine.root.number::<u32>("sys/kernel/mm/ksm/run"), machine.root.exists("sys/kernel/mm")) {
        (Some(run), _) => Outcome::good_if(run != 1, if run == 1 { "on" } else { "off" }),
        (None, true) => Outcome::good("the kernel has none"),
        (None, false) => Outcome::unknown("no /sys/kernel/mm/ksm/run"),
    }
}

fn swap_compression(machine: &Machine) -> Outcome {
    match machine.root.word("sys/module/zswap/parameters/enabled").as_deref() {
        Some("Y" | "1") => Outcome::bad("on"),
        Some("N" | "0") => Outcome::good("off"),
        Some(_) => Outcome::unknown("/sys/module/zswap/parameters/enabled is not understood"),
        None if machine.root.exists("sys/module") => Outcome::good("the kernel has none"),
        None => Outcome::unknown("no /sys/module"),
    }
}

/// The share of the last ten seconds in which threads waited, in hundredths of a percent; below it is normal.
const PRESSURE: u32 = 100;

fn memory_pressure(machine: &Machine) -> Outcome {
    let read = |what: &str| parse::pressure(&machine.root.word(&format!("proc/pressure/{what}"))?, "some");
    let Some(memory) = read("memory") else { return Outcome::unknown("no /proc/pressure/memory") };
    let (waited, io) = (parse::percent(memory), parse::percent(read("io").unwrap_or(0)));
    Outcome::good_if(memory < PRESSURE, format!("threads waited for memory {waited}, for I/O {io} of the last 10 s"))
}

/// If less than this is left below the limit, an ordinary guest is refused.
const COMMIT_HEADROOM_KIB: u64 = 256 << 10;

fn overcommit(machine: &Machine) -> Outcome {
    match machine.root.number::<u32>("proc/sys/vm/overcommit_memory") {
        None => Outcome::unknown("no /proc/sys/vm/overcommit_memory"),
        Some(0) => Outcome::good("0, heuristic"),
        Some(1) => Outcome::good("1, always"),
        Some(mode) => {
            let meminfo = machine.root.word("proc/meminfo").unwrap_or_default();
            match (parse::kib(&meminfo, "CommitLimit"), parse::kib(&meminfo, "Committed_AS")) {
                (Some(limit), Some(committed)) => {
                    let left = limit.saturating_sub(committed);
                    let found = format!("{mode}, strict limit, which leaves {}", mebibytes(left << 10));
                    Outcome::bad(found).severity(if left < COMMIT_HEADROOM_KIB { HIGH } else { INFO })
                }
                _ => Outcome::bad(format!("{mode}, strict limit")).severity(MEDIUM),
            }
        }
    }
}

/// The share of the limit on mappings that a process may use before the next instance may be refused, in percent.
const MAPPINGS_USED_PERCENT: u64 = 50;

fn map_count(machine: &Machine) -> Outcome {
    let Some(limit) = machine.root.number::<u64>("proc/sys/vm/max_map_count") else {
        return Outcome::unknown("no /proc/sys/vm/max_map_count");
    };
    match machine.root.word("proc/self/maps") {
        None => Outcome::unknown("no /proc/self/maps"),
        Some(maps) => {
            let used = maps.lines().count() as u64;
            Outcome::good_if(
                used.saturating_mul(100) < limit.saturating_mul(MAPPINGS_USED_PERCENT),
                format!("{used} of {limit} in use"),
            )
        }
    }
}

/// Returns the width of a process's addresses in bits, from the place of its stack, which is at their upper end.
fn processes_bits(machine: &Machine) -> Option<u32> {
    let maps = machine.root.word("proc/self/maps")?;
    let stack = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let end = u64::from_str_radix(stack.split_once(' ')?.0.split_once('-')?.1, 16).ok()?;
    Some(u64::BITS - end.saturating_sub(1).leading_zeros())
}

fn address_space(machine: &Machine) -> Outcome {
    match machine.limit("Max address space") {
        None => Outcome::unknown("no /proc/self/limits"),
        Some((u64::MAX, _)) => match processes_bits(machine) {
            // Many kernels for boards have 39 bits, which is room for some dozens of instances.
            Some(bits) if bits <= 39 => {
                let instances = (1u64 << bits) / reservation_bytes(machine);
                Outcome::bad(format!("addresses have {bits} bits: room for at most {instances} instances")).severity(INFO)
            }
            _ => Outcome::good("unlimited"),
        },
        Some((limit, _)) => {
            let reservation = reservation_bytes(machine);
            let found = format!("limited to {}; each instance reserves {}", mebibytes(limit), mebibytes(reservation));
            match limit {
                // Room for the process itself beside one instance.
                _ if limit / 2 > reservation => Outcome::good(found),
                _ if limit > reservation => Outcome::bad(found),
                _ => Outcome::bad(found).severity(FATAL),
            }
        }
    }
}
