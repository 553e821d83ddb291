//! Checks of scheduling: the right to real-time priority, and what takes CPU time from real-time threads.

use super::machine::Machine;
use super::parse::{self, Task, policy_name};
use super::severity::{HIGH, INFO, MEDIUM};
use super::table::{Check, check};
use super::{Apply::*, Class, Outcome, Severity::*, State};

pub const CHECKS: &[Check] = &[
    check! {
        id: "rt-priority",
        title: "right to real-time priority",
        severity: HIGH,
        expected: "CAP_SYS_NICE, or a limit of at least 50 (RLIMIT_RTPRIO)",
        why: "an ordinary thread shares its CPU with every other; below 50 it waits for threaded interrupts",
        remedy: "Give your user the right, and log in again; for a service, set LimitRTPRIO=95.",
        commands: "echo '@audio - rtprio 95' > /etc/security/limits.d/95-rtwasm-rtprio.conf  # with your group",
        apply: WithThought,
        needs_root: true,
        run: rt_priority,
    },
    check! {
        id: "rtkit",
        title: "RealtimeKit",
        severity: INFO,
        expected: "installed, if the process has no right of its own",
        why: "on desktops it grants real-time priority to processes without the right",
        remedy: "Install rtkit, or give the user the right (rt-priority).",
        commands: "apt-get install rtkit",
        apply: WithThought,
        needs_root: true,
        run: rtkit,
    },
    check! {
        id: "thread-policy",
        title: "the thread's policy and priority",
        severity: HIGH,
        expected: "SCHED_FIFO or SCHED_RR with a priority of 1 to 98, or SCHED_DEADLINE",
        why: "any other thread may preempt an ordinary one; priority 99 competes with the kernel's own threads",
        remedy: "Set a policy in rtw_thread_config_t, or start the program with chrt.",
        commands: "chrt --fifo 80 COMMAND",
        apply: WithThought,
        needs_root: false,
        run: thread_policy,
    },
    check! {
        id: "rt-time-limit",
        title: "limit on real-time CPU time",
        severity: MEDIUM,
        expected: "unlimited, or more than four periods",
        why: "the kernel kills the process if a thread computes for longer without a blocking system call (RLIMIT_RTTIME)",
        remedy: "Keep budgets below it, or raise it: LimitRTTIME=infinity for a service; rtkit sets 200 ms.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: rt_time_limit,
    },
    check! {
        id: "rt-throttling",
        title: "real-time throttling",
        severity: INFO,
        expected: "off, if a thread uses nearly all of its CPU",
        why: "the kernel stops real-time threads that use up their share of a second for the rest of that second",
        remedy: "Keep the load below the share (95 %); switch it off only for a thread with a CPU of its own.",
        commands: "sysctl -w kernel.sched_rt_runtime_us=-1",
        apply: WithThought,
        needs_root: true,
        run: rt_throttling,
    },
    check! {
        id: "fair-server",
        title: "fair server",
        severity: INFO,
        expected: "off on the thread's CPU, if the thread uses nearly all of it",
        why: "ordinary threads that starve run ahead of real-time ones, for 50 ms in a second",
        remedy: "Keep the load below 95 %; switch it off only on the CPU of the real-time thread.",
        commands: "echo 0 > /sys/kernel/debug/sched/fair_server/cpuN/runtime",
        apply: WithThought,
        needs_root: true,
        run: fair_server,
    },
    check! {
        id: "rt-group",
        title: "the control group's time for real-time threads",
        severity: HIGH,
        expected: "the kernel does not group real-time threads, or gives this group some of the time",
        why: "a group without such time cannot have real-time threads, whatever the limits say",
        remedy: "Run the process in the root group, or boot with rt_group_sched=0, or write a time to cpu.rt_runtime_us.",
        commands: "echo $$ > /sys/fs/cgroup/cgroup.procs",
        apply: WithThought,
        needs_root: true,
        run: rt_group,
    },
    check! {
        id: "cpu-quota",
        title: "processor quota",
        severity: HIGH,
        expected: "none in this group or above",
        why: "a group that has used up its quota stops: its ordinary threads stand still until the next period",
        remedy: "Remove the quota: CPUQuota= of the service, --cpus of the container.",
        commands: "",
        apply: WithThought,
        needs_root: true,
        run: cpu_quota,
    },
    check! {
        id: "cpu-throttled",
        title: "periods cut short by a quota",
        severity: HIGH,
        expected: "none",
        why: "each of them stopped the group for up to the rest of a period, usually 100 ms",
        remedy: "Remove the quota (cpu-quota).",
        commands: "",
        apply: WithThought,
        needs_root: true,
        run: cpu_throttled,
    },
    check! {
        id: "cpu-pressure",
        title: "threads waiting for a CPU",
        severity: MEDIUM,
        expected: "below 10 % of the time",
        why: "if threads wait for CPUs, the program's ordinary threads wait too",
        remedy: "Run less beside it, give it real-time priority, or a CPU of its own.",
        commands: "",
        apply: WithThought,
        needs_root: false,
        run: cpu_pressure,
    },
    check! {
        id: "neighbours",
        title: "other processes on the thread's CPU",
        severity: MEDIUM,
        expected: "no busy process of equal priority",
        why: "two threads on a CPU take turns, and each delays the other",
        remedy: "Move them to other CPUs, or choose another (--cpu).",
        commands: "taskset --pid --cpu-list OTHERS PROCESS",
        apply: WithThought,
        needs_root: false,
        run: neighbours,
    },
];

/// The priority of threaded interrupt handlers; below it a real-time thread waits for every device.
const INTERRUPT_PRIORITY: u64 = 50;

fn rt_priority(machine: &Machine) -> Outcome {
    if machine.may_set_priorities() == Some(true) {
        return Outcome::good("CAP_SYS_NICE");
    }
    match machine.limit("Max realtime priority") {
        None => Outcome::unknown("no /proc/self/limits"),
        Some((0, hard)) if hard > 0 => Outcome::bad(format!("the limit is 0; this process may raise it to {hard}"))
            .remedy("Raise it in the shell that starts the program, or with setrlimit in the program.")
            .commands(format!("ulimit -r {hard}")),
        Some((0, _)) => Outcome::bad("the limit (RLIMIT_RTPRIO) is 0, and CAP_SYS_NICE is missing"),
        Some((soft, _)) if soft < INTERRUPT_PRIORITY => Outcome::bad(format!("the limit is {soft}")).severity(MEDIUM),
        Some((soft, _)) => Outcome::good(format!("the limit is {soft}")),
    }
}

fn rtkit(machine: &Machine) -> Outcome {
    const SERVICE: &str = "usr/share/dbus-1/system-services/org.freedesktop.RealtimeKit1.service";
    if machine.may_be_real_time() == Some(true) {
        return Outcome::skipped("not needed: this process has the right itself");
    }
    match (machine.root.exists(SERVICE), machine.root.exists("usr/share")) {
        (true, _) => Outcome::good("installed: it grants a priority of at most 20, and sets RLIMIT_RTTIME"),
        (false, true) => Outcome::bad("not installed"),
        (false, false) => Outcome::unknown("no /usr/share"),
    }
}

fn thread_policy(machine: &Machine) -> Outcome {
    let Some(Task { policy, priority, .. }) = machine.own_task() else { return Outcome::unknown("no /proc/thread-self/stat") };
    let found = match priority {
        0 => policy_name(policy),
        _ => format!("{}, priority {priority}", policy_name(policy)),
    };
    let task = Task { name: String::new(), state: 'R', is_kernel_thread: false, cpu: 0, priority, policy };
    match (task.is_real_time(), priority, machine.options.thread) {
        (true, 99, _) => Outcome::bad(found).severity(MEDIUM),
        (true, _, _) => Outcome::good(found),
        (false, _, true) => Outcome::bad(found),
        (false, _, false) => Outcome::skipped(format!("{found}; not declared the real-time thread")),
    }
}

/// rtkit gives threads 200 ms; a limit well above a deadline is harmless.
const PERIODS_IN_TIME_LIMIT: u64 = 4;

fn rt_time_limit(machine: &Machine) -> Outcome {
    match machine.limit("Max realtime timeout") {
        None => Outcome::unknown("no /proc/self/limits"),
        Some((u64::MAX, _)) => Outcome::good("unlimited"),
        Some((limit_us, _)) => {
            let judge = |_: Class, period_ns: u64| match limit_us.saturating_mul(1000) {
                limit_ns if limit_ns <= period_ns => Some(High),
                limit_ns if limit_ns <= PERIODS_IN_TIME_LIMIT * period_ns => Some(Medium),
                _ => None,
            };
            Outcome::bad(format!("{limit_us} us without a blocking system call, then SIGXCPU"))
                .severity(machine.by_period(judge))
        }
    }
}

fn rt_throttling(machine: &Machine) -> Outcome {
    let read = |name: &str| machine.root.number::<i64>(&format!("proc/sys/kernel/{name}"));
    match (read("sched_rt_runtime_us"), read("sched_rt_period_us")) {
        (Some(-1), _) => Outcome::good("off"),
        (Some(runtime), Some(period)) if runtime >= period => Outcome::good(format!("{runtime} of {period} us")),
        (Some(runtime), Some(period)) => Outcome::bad(format!("real-time threads get {runtime} of {period} us")),
        _ => Outcome::unknown("no /proc/sys/kernel/sched_rt_runtime_us"),
    }
}

fn fair_server(machine: &Machine) -> Outcome {
    const FOLDER: &str = "sys/kernel/debug/sched/fair_server";
    if !machine.root.exists(FOLDER) {
        return match machine.root.exists("sys/kernel/debug/sched") {
            true => Outcome::skipped("this kernel has none"),
            false => Outcome::unknown("/sys/kernel/debug/sched cannot be read (it needs root)"),
        };
    }
    let allowed = machine.cpus();
    let mut worst = None;
    for (cpu, folder) in machine.root.numbered(FOLDER, "cpu") {
        if allowed.as_ref().is_none_or(|cpus| cpus.contains(cpu)) {
            let read = |name: &str| machine.root.number::<u64>(&format!("{folder}/{name}"));
            if let (Some(runtime), Some(period)) = (read("runtime"), read("period")) {
                worst = worst.max(Some((runtime, period, cpu)));
            }
        }
    }
    match worst {
        None => Outcome::unknown("no runtime for the CPUs of this process"),
        Some((0, _, _)) => Outcome::good("off"),
        Some((runtime, period, cpu)) => {
            Outcome::bad(format!("{} of {} ms on CPU {cpu} go to ordinary threads", runtime / 1_000_000, period / 1_000_000))
        }
    }
}

// --- control groups

/// The process's group under a controller of version 1, or in the single hierarchy of version 2 for "".
fn group_path(machine: &Machine, controller: &str) -> Option<String> {
    let text = machine.root.word("proc/self/cgroup")?;
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let matches =
            if controller.is_empty() { controllers.is_empty() } else { controllers.split(',').any(|c| c == controller) };
        matches.then(|| path.to_owned())
    })
}

/// The group's folder and those above it, innermost first. Inside a container, the path of its group may not exist; then the
/// mount's root is the group.
fn group_folders(machine: &Machine, mount: &str, path: &str) -> Vec<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.contains(&"..") || !machine.root.exists(&format!("{mount}/{}", parts.join("/"))) {
        parts.clear();
    }
    (0..=parts.len()).rev().map(|depth| [&[mount], &parts[..depth]].concat().join("/")).collect()
}

/// The outcome if the groups cannot be read: there are none, or that is unknown.
fn without_groups(machine: &Machine) -> Outcome {
    let systems = machine.root.word("proc/filesystems");
    match systems.is_some_and(|text| !text.contains("cgroup")) {
        true => Outcome::good("the kernel has no control groups"),
        false => Outcome::unknown("no /proc/self/cgroup, or nothing in /sys/fs/cgroup"),
    }
}

/// The groups that divide processor time, and true if they are of version 2.
fn cpu_groups(machine: &Machine) -> Option<(Vec<String>, bool)> {
    // If both versions are mounted, the controller is in version 1.
    if let Some(path) = group_path(machine, "cpu") {
        let mounts = ["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"];
        let mount = mounts.iter().find(|mount| machine.root.exists(mount))?;
        return Some((group_folders(machine, mount, &path), false));
    }
    let path = group_path(machine, "")?;
    let mount = ["sys/fs/cgroup/unified", "sys/fs/cgroup"].into_iter().find(|mount| machine.root.exists(mount))?;
    Some((group_folders(machine, mount, &path), true))
}

fn rt_group(machine: &Machine) -> Outcome {
    let Some((folders, is_v2)) = cpu_groups(machine) else { return without_groups(machine) };
    let own = folders.first().map(String::as_str).unwrap_or_default();
    if is_v2 {
        // If the controller is on, only the root group has no such file.
        let is_shared_out = folders.iter().any(|folder| machine.root.exists(&format!("{folder}/cpu.max")));
        return match machine.kernel_has("CONFIG_RT_GROUP_SCHED") {
            Some(false) => Outcome::good("the kernel does not group real-time threads"),
            _ if !is_shared_out => Outcome::good("the kernel does not divide processor time among groups"),
            Some(true) => Outcome::bad(
                "the kernel groups real-time threads (CONFIG_RT_GROUP_SCHED) and gives this group none of the time",
            ),
            // Distributions build kernels without this option.
            None => Outcome::unknown("the kernel's configuration cannot be read").severity(INFO),
        };
    }
    match machine.root.number::<i64>(&format!("{own}/cpu.rt_runtime_us")) {
        Some(0) => Outcome::bad("cpu.rt_runtime_us of this group is 0: its threads cannot have real-time priority"),
        Some(us) => Outcome::good(format!("cpu.rt_runtime_us of this group is {us}")),
        None => Outcome::good("the kernel does not group real-time threads"),
    }
}

/// True if neither rights nor groups prevent real-time priority, so that findings about ordinary threads concern only helpers.
fn can_be_real_time(machine: &Machine) -> bool {
    machine.may_be_real_time() == Some(true) && rt_group(machine).state != State::Bad
}

fn quota_severity(machine: &Machine) -> super::ByClass {
    if can_be_real_time(machine) { MEDIUM } else { HIGH }
}

fn cpu_quota(machine: &Machine) -> Outcome {
    let Some((folders, is_v2)) = cpu_groups(machine) else { return without_groups(machine) };
    let quotas = folders.iter().filter_map(|folder| Some((quota(machine, folder, is_v2)?, folder)));
    let tightest = quotas.min_by(|((a, b), _), ((c, d), _)| (a * d).cmp(&(c * b)));
    let Some(((quota_us, period_us), folder)) = tightest else { return Outcome::good("none") };
    let percent = 100 * quota_us / period_us;
    let stall_ms = period_us.saturating_sub(quota_us) / 1000;
    let found = format!(
        "{quota_us} us in {period_us} us, {percent} % of one CPU: a thread that has used it up stops for up to {stall_ms} \
         ms ({})",
        parse::shown(&format!("/{folder}"))
    );
    let command = match is_v2 {
        true => format!("echo max > {}", parse::quoted(&format!("/{folder}/cpu.max"))),
        false => format!("echo -1 > {}", parse::quoted(&format!("/{folder}/cpu.cfs_quota_us"))),
    };
    Outcome::bad(found).severity(quota_severity(machine)).commands(command)
}

/// A group's quota and period in microseconds, if it has a quota.
fn quota(machine: &Machine, folder: &str, is_v2: bool) -> Option<(u128, u128)> {
    let (quota, period): (u64, u64) = match is_v2 {
        true => {
            let text = machine.root.word(&format!("{folder}/cpu.max"))?;
            let (quota, period) = text.split_once(' ')?;
            (quota.parse().ok()?, period.trim().parse().ok()?)
        }
        false => (
            machine.root.number(&format!("{folder}/cpu.cfs_quota_us"))?,
            machine.root.number(&format!("{folder}/cpu.cfs_period_us"))?,
        ),
    };
    (period > 0).then_some((quota.into(), period.into()))
}

fn cpu_throttled(machine: &Machine) -> Outcome {
    let Some((folders, _)) = cpu_groups(machine) else { return without_groups(machine) };
    let counts = folders.iter().filter_map(|folder| {
        let stat = machine.root.word(&format!("{folder}/cpu.stat"))?;
        let time_us = parse::keyed(&stat, "throttled_usec").or_else(|| Some(parse::keyed(&stat, "throttled_time")? / 1000));
        Some((parse::keyed(&stat, "nr_throttled")?, parse::keyed(&stat, "nr_periods")?, time_us.unwrap_or(0)))
    });
    match counts.max() {
        None => Outcome::skipped("no group with a quota"),
        Some((0, periods, _)) => Outcome::good(format!("in none of {periods} periods")),
        Some((throttled, periods, us)) => {
            let found = format!("in {throttled} of {periods} periods so far, {} ms altogether", us / 1000);
            Outcome::bad(found).severity(quota_severity(machine))
        }
    }
}

/// The share of the last ten seconds in which a runnable thread waited for a CPU.
const CPU_PRESSURE_PERCENT: u32 = 10;

fn cpu_pressure(machine: &Machine) -> Outcome {
    let Some(text) = machine.root.word("proc/pressure/cpu") else { return Outcome::unknown("no /proc/pressure/cpu") };
    match parse::pressure(&text, "some") {
        None => Outcome::unknown("/proc/pressure/cpu is not understood"),
        Some(share) => {
            let found = format!("threads waited for a CPU {} of the last 10 s", parse::percent(share));
            // Real-time threads do not wait for ordinary ones; a thread without the right to be one does.
            let severity = if can_be_real_time(machine) { INFO } else { MEDIUM };
            match share < 100 * CPU_PRESSURE_PERCENT {
                true => Outcome::good(found),
                false => Outcome::bad(found).severity(severity),
            }
        }
    }
}

/// Checks for other real-time threads of at least the same priority on the thread's CPU, which make it wait.
fn neighbours(machine: &Machine) -> Outcome {
    let Some(cpus) = machine.cpus() else { return Outcome::unknown("the CPUs of this thread are not known") };
    if machine.processes().is_empty() {
        return Outcome::unknown("no other process can be seen");
    }
    let here = || machine.processes().iter().filter(|(_, task)| !task.is_kernel_thread && cpus.contains(task.cpu));
    let name = |(number, task): &(u32, Task)| format!("{} ({number})", parse::shown(&task.name));
    let real_time: Vec<String> =
        here().filter(|(_, task)| task.is_real_time() && task.priority >= INTERRUPT_PRIORITY as u32).map(name).collect();
    let running: Vec<String> = here().filter(|(_, task)| task.state == 'R' && !task.is_real_time()).map(name).collect();
    let first = |names: &[String]| match names {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    let where_to = format!("CPU {cpus}");
    if !real_time.is_empty() && cpus.single().is_some() {
        return Outcome::bad(format!("real-time processes on {where_to}: {}", first(&real_time)));
    }
    // If as many processes run as there are CPUs, an ordinary thread has to share.
    if running.len() >= cpus.count() {
        let severity = if can_be_real_time(machine) { INFO } else { MEDIUM };
        return Outcome::bad(format!("running on {where_to} right now: {}", first(&running))).severity(severity);
    }
    Outcome::good(format!("{} other processes running on {where_to} right now", running.len()))
}
