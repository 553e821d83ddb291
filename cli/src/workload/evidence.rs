//! The system's counters over a run: the traces of causes of lateness.
//!
//! Most of them need files and memory to read, so they are read before and after, never in between.

use std::fs;
use std::path::{Path, PathBuf};

use rtwasm::rt::global_alloc;
use rtwasm::sys::clock;
use rtwasm::sys::rusage::{self, Usage};
use serde::Serialize;

use super::guest::aside;

/// The counters at one moment.
struct Counters {
    at_ns: u64,
    usage: Usage,
    allocations: u64,
    /// The time during which the thread was ready to run and did not.
    wait_ns: Option<u64>,
    throttle: Option<Throttle>,
    /// The time that the hypervisor took from all CPUs.
    steal_ns: Option<u64>,
}

/// The effect of a CPU quota on the process's group or one above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Throttle {
    count: u64,
    ns: u64,
}

/// The counters over a stretch of time. `None`: the system does not report it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    pub elapsed_ns: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Allocations of the engine and this library.
    pub allocations: u64,
    pub wait_ns: Option<u64>,
    pub throttled: Option<u64>,
    pub throttled_ns: Option<u64>,
    pub steal_ns: Option<u64>,
}

impl Evidence {
    /// The sum of both.
    pub fn plus(&self, more: &Evidence) -> Evidence {
        let both = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b).or(a).or(b);
        Evidence {
            elapsed_ns: self.elapsed_ns + more.elapsed_ns,
            minor_faults: self.minor_faults + more.minor_faults,
            major_faults: self.major_faults + more.major_faults,
            voluntary_switches: self.voluntary_switches + more.voluntary_switches,
            involuntary_switches: self.involuntary_switches + more.involuntary_switches,
            allocations: self.allocations + more.allocations,
            wait_ns: both(self.wait_ns, more.wait_ns),
            throttled: both(self.throttled, more.throttled),
            throttled_ns: both(self.throttled_ns, more.throttled_ns),
            steal_ns: both(self.steal_ns, more.steal_ns),
        }
    }
}

/// Starts counting.
pub struct Watch {
    group: Option<PathBuf>,
    before: Counters,
}

impl Watch {
    pub fn begin() -> Watch {
        aside(|| {
            let group = quota_group();
            // Reads once in vain, so that first-time costs are over.
            Counters::read(group.as_deref());
            let mut before = Counters::read(group.as_deref());
            before.at_ns = clock::monotonic_ns();
            before.allocations = global_alloc::allocations();
            before.usage = rusage::of_this_thread();
            Watch { group, before }
        })
    }

    pub fn end(self) -> Evidence {
        let usage = rusage::of_this_thread();
        let allocations = global_alloc::allocations();
        let at_ns = clock::monotonic_ns();
        aside(|| {
            let after = Counters { at_ns, usage, allocations, ..Counters::read(self.group.as_deref()) };
            difference(&self.before, &after)
        })
    }
}

fn difference(before: &Counters, after: &Counters) -> Evidence {
    let since = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
    let throttled = |part: fn(&Throttle) -> u64| since(after.throttle.as_ref().map(part), before.throttle.as_ref().map(part));
    Evidence {
        elapsed_ns: after.at_ns - before.at_ns,
        minor_faults: after.usage.minor_faults - before.usage.minor_faults,
        major_faults: after.usage.major_faults - before.usage.major_faults,
        voluntary_switches: after.usage.voluntary_switches - before.usage.voluntary_switches,
        involuntary_switches: after.usage.involuntary_switches - before.usage.involuntary_switches,
        allocations: after.allocations - before.allocations,
        wait_ns: since(after.wait_ns, before.wait_ns),
        throttled: throttled(|throttle| throttle.count),
        throttled_ns: throttled(|throttle| throttle.ns),
        steal_ns: since(after.steal_ns, before.steal_ns),
    }
}

impl Counters {
    fn read(group: Option<&Path>) -> Counters {
        Counters {
            at_ns: clock::monotonic_ns(),
            usage: rusage::of_this_thread(),
            allocations: global_alloc::allocations(),
            wait_ns: fs::read_to_string("/proc/thread-self/schedstat").ok().and_then(|text| wait_of(&text)),
            throttle: group.map(throttle_up_from),
            steal_ns: fs::read_to_string("/proc/stat").ok().and_then(|text| steal_of(&text)),
        }
    }
}

/// The second of three numbers: time spent ready on a run queue.
fn wait_of(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// The eighth figure of the line for all CPUs, in hundredths of a second.
fn steal_of(stat: &str) -> Option<u64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    line.split_whitespace().nth(8)?.parse::<u64>().ok().map(|hundredths| hundredths * 10_000_000)
}

/// The folder of this process's group under the CPU controller.
fn quota_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let (mount, group) = controller(&mounts, &groups)?;
    let folder = Path::new(&mount).join(group.trim_start_matches('/'));
    // In a container, the kernel names the group as the host sees it, but the mount is the container's own.
    Some(if folder.is_dir() { folder } else { mount.into() })
}

/// The mount of the CPU controller, and this process's group in it: version 1 if it exists, as version 2 then has no such
/// controller.
fn controller(mounts: &str, groups: &str) -> Option<(String, String)> {
    let mounted = |kind: &str, option: Option<&str>| {
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find_map(|fields| {
            let has = |wanted: &str| fields.get(3).is_some_and(|options| options.split(',').any(|option| option == wanted));
            (fields.get(2) == Some(&kind) && option.is_none_or(has)).then(|| fields[1].to_owned())
        })
    };
    let ours = |is_it: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, group) = (parts.next()?, parts.next()?);
            is_it(controllers).then(|| group.to_owned())
        })
    };
    if let Some(mount) = mounted("cgroup", Some("cpu")) {
        return Some((mount, ours(&|controllers| controllers.split(',').any(|name| name == "cpu"))?));
    }
    Some((mounted("cgroup2", None)?, ours(&str::is_empty)?))
}

/// The effect of quotas on a group and on those above it, which apply to it too.
fn throttle_up_from(group: &Path) -> Throttle {
    let mut all = Throttle::default();
    let files = group.ancestors().map(|folder| folder.join("cpu.stat")).map_while(|file| fs::read_to_string(file).ok());
    for throttle in files.filter_map(|text| throttle_of(&text)) {
        all.count += throttle.count;
        all.ns += throttle.ns;
    }
    all
}

fn throttle_of(stat: &str) -> Option<Throttle> {
    let figure = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    // Version 2 counts in microseconds, version 1 in nanoseconds.
    let ns = figure("throttled_usec ").map(|us| us * 1000).or_else(|| figure("throttled_time "))?;
    Some(Throttle { count: figure("nr_throttled ")?, ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_their_files() {
        assert_eq!(wait_of("102031 2705965 2\n"), Some(2_705_965));
        assert_eq!(steal_of("cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), Some(80_000_000));
        let two = "usage_usec 9\nnr_periods 5\nnr_throttled 3\nthrottled_usec 7\n";
        assert_eq!(throttle_of(two), Some(Throttle { count: 3, ns: 7000 }));
        let one = "nr_periods 5\nnr_throttled 3\nthrottled_time 7000\n";
        assert_eq!(throttle_of(one), Some(Throttle { count: 3, ns: 7000 }));
        assert_eq!([wait_of(""), steal_of("cpu  1 2"), steal_of("")], [None; 3]);
        assert_eq!(throttle_of("usage_usec 9\n"), None);
    }

    #[test]
    fn the_controller_is_found_in_both_versions() {
        let one = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n\
                   cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = controller(one, "3:memory:/m\n2:cpu,cpuacct:/slice/it\n0::/\n").unwrap();
        assert_eq!(found, ("/sys/fs/cgroup/cpu".into(), "/slice/it".into()));
        let two = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(controller(two, "0::/user.slice\n").unwrap(), ("/sys/fs/cgroup".into(), "/user.slice".into()));
        assert_eq!(controller("proc /proc proc rw 0 0\n", "0::/\n"), None);
    }

    #[test]
    fn what_happens_in_between_is_counted() {
        let watch = Watch::begin();
        let mut block = vec![0u8; 1 << 24];
        block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&block);
        let evidence = watch.end();
        assert!(evidence.minor_faults + evidence.allocations > 0 && evidence.elapsed_ns > 0);
        let nothing = Watch::begin().end();
        assert_eq!((nothing.minor_faults, nothing.allocations), (0, 0), "watching itself is not counted");
    }
}
