//! Names the likely causes of lateness. Each suspect rests on a counter, or on a comparison within one run; its evidence says
//! which, and its remedy says what to do.

use std::sync::Arc;

use rtwasm::doctor::core_speed::{Pace, Speed};
use rtwasm::engine::artifact::Metadata;
use rtwasm::engine::module::Module;
use rtwasm::engine::profile::Interruption;
use rtwasm::status::Error;
use rtwasm::sys::clock;
use serde::Serialize;

use super::cold::Phases;
use super::describe::{Setup, Workload};
use super::evidence::Evidence;
use super::guest::{Guest, aside};
use super::run::{self, Distribution};
use super::stats;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    pub id: &'static str,
    pub evidence: String,
    pub remedy: &'static str,
}

/// The basis of suspects; `None` if it was not measured.
pub struct Findings<'a> {
    pub metadata: &'a Metadata,
    pub setup: &'a Setup,
    pub period_ns: Option<u64>,
    /// The counters during the very first cycle.
    pub first_evidence: Option<&'a Evidence>,
    pub steady: Option<&'a Distribution>,
    pub wake_up: Option<&'a Distribution>,
    pub misses: u64,
    pub evidence: &'a Evidence,
    pub fresh: Option<&'a Phases>,
    pub denormals: Option<DenormalCheck>,
    pub slowed: Option<Slowed>,
}

/// Samples of the processor's speed, and those that were not at full speed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Slowed {
    pub looks: usize,
    pub slowed: usize,
}

impl Slowed {
    /// Spins for a while, and samples the speed.
    pub fn look() -> Slowed {
        let mut speed = Speed::measure(Self::LOOK_NS / 2);
        let end_ns = clock::monotonic_ns() + Self::LOOK_NS;
        let mut found = Slowed::default();
        while clock::monotonic_ns() < end_ns {
            found.looks += 1;
            found.slowed += usize::from(speed.pace() == Pace::Slowed);
        }
        found
    }

    const LOOK_NS: u64 = 200_000_000;
}

/// All suspects, in no particular order.
pub fn suspects(findings: &Findings<'_>) -> Vec<Suspect> {
    [
        quota,
        neighbour,
        hypervisor,
        slowed,
        realtime_limit,
        unprepared,
        page_faults,
        allocations,
        budget,
        denormals,
        unoptimised,
        overload,
        wake_up,
    ]
    .into_iter()
    .filter_map(|look| look(findings))
    .collect()
}

/// Shares of the time below which nothing is suspected.
const WAIT_SHARE: f64 = 0.05;
const STEAL_SHARE: f64 = 0.02;
const SLOWED_SHARE: f64 = 0.1;

fn quota(findings: &Findings<'_>) -> Option<Suspect> {
    let evidence = findings.evidence;
    let throttled = evidence.throttled.filter(|count| *count > 0)?;
    Some(Suspect {
        id: "quota",
        evidence: format!(
            "the CPU quota of the process's group stopped it {throttled} times, for {} in all (cpu.stat)",
            milliseconds(evidence.throttled_ns.unwrap_or(0))
        ),
        remedy: "lift the quota: cpu.max (cpu.cfs_quota_us), CPUQuota= in systemd, --cpus in docker; or compute less",
    })
}

fn neighbour(findings: &Findings<'_>) -> Option<Suspect> {
    let evidence = findings.evidence;
    // A thread that a quota stops counts as waiting too.
    let waited = evidence.wait_ns?.saturating_sub(evidence.throttled_ns.unwrap_or(0));
    let share = waited as f64 / evidence.elapsed_ns.max(1) as f64;
    (share >= WAIT_SHARE).then(|| Suspect {
        id: "neighbour",
        evidence: format!(
            "other threads ran on the CPU: the thread was ready but waiting {:.0} % of the time, with {} involuntary switches",
            share * 100.0,
            evidence.involuntary_switches
        ),
        remedy: "give the thread a real-time class (--fifo, rtw_thread_config_t) or a CPU of its own (--cpu, isolcpus)",
    })
}

fn hypervisor(findings: &Findings<'_>) -> Option<Suspect> {
    let stolen = findings.evidence.steal_ns?;
    (stolen as f64 >= STEAL_SHARE * findings.evidence.elapsed_ns as f64).then(|| Suspect {
        id: "hypervisor",
        evidence: format!("the hypervisor kept {} of CPU time for others (steal)", milliseconds(stolen)),
        remedy: "figures from a virtual machine prove nothing about real time: pin its CPUs, or use a physical machine",
    })
}

fn slowed(findings: &Findings<'_>) -> Option<Suspect> {
    let Slowed { looks, slowed } = findings.slowed?;
    let share = slowed as f64 / looks.max(1) as f64;
    (share >= SLOWED_SHARE).then(|| Suspect {
        id: "shared-core",
        evidence: format!(
            "the processor ran below full speed in {:.0} % of {looks} samples, although nothing interrupted the thread: another thread on \
             the same core, which a hypervisor may hide, or a lowered clock",
            share * 100.0
        ),
        remedy: "a core without a busy sibling (isolate both, or nosmt), whole cores from the hypervisor, a fixed clock; \
                 `rtwasm doctor --probe` measures it",
    })
}

/// The kernel stops a real-time thread that never sleeps for 50 ms every second.
fn realtime_limit(findings: &Findings<'_>) -> Option<Suspect> {
    let longest = findings.steady?.max;
    let never_sleeps = findings.period_ns.is_none() && findings.evidence.elapsed_ns > 1_000_000_000;
    (findings.setup.fifo.is_some() && never_sleeps && longest > 20e6).then(|| Suspect {
        id: "realtime-limit",
        evidence: format!(
            "a SCHED_FIFO thread that never sleeps, and a cycle of {}: the kernel leaves other threads 5 % of the time",
            milliseconds(longest as u64)
        ),
        remedy: "let the thread sleep (--scenario periodic), or sysctl kernel.sched_rt_runtime_us=-1 on an isolated CPU",
    })
}

fn unprepared(findings: &Findings<'_>) -> Option<Suspect> {
    if findings.setup.prepare {
        return None;
    }
    let faults = findings.first_evidence.map_or(0, |evidence| evidence.minor_faults + evidence.major_faults);
    let fresh = findings.fresh.map(|phases| (phases.first_cycle, phases.first_cycle_faults));
    let steady = findings.steady.map_or(0.0, |steady| steady.p50);
    let slow = fresh.is_some_and(|(first, _)| first > 3.0 * steady);
    let faults = faults.max(fresh.map_or(0, |(_, faults)| faults));
    (faults > 0 || slow).then(|| Suspect {
        id: "unprepared",
        evidence: format!(
            "the instance was not prepared: its first cycle in a fresh process took {} and {faults} page faults, later ones {}",
            nanoseconds(fresh.map_or(0.0, |(first, _)| first)),
            nanoseconds(steady)
        ),
        remedy: "call rtw_instance_prepare with dry calls, on the attached thread, before the first deadline",
    })
}

fn page_faults(findings: &Findings<'_>) -> Option<Suspect> {
    let (minor, major) = (findings.evidence.minor_faults, findings.evidence.major_faults);
    (major > 0 || minor >= 8).then(|| Suspect {
        id: "page-faults",
        evidence: format!("{minor} minor and {major} major page faults in steady cycles"),
        remedy: "lock memory (--lock, memory_lock), let no guest memory grow after prepare, and look at your host functions",
    })
}

fn allocations(findings: &Findings<'_>) -> Option<Suspect> {
    let count = findings.evidence.allocations;
    (count > 0).then(|| Suspect {
        id: "allocations",
        evidence: format!("the engine allocated {count} times in steady cycles"),
        remedy: "a prepared call that succeeds allocates nothing: look for growth of memories and tables",
    })
}

fn budget(findings: &Findings<'_>) -> Option<Suspect> {
    let kind = findings.metadata.settings.interruption;
    matches!(kind, Interruption::Epoch | Interruption::Fuel).then(|| Suspect {
        id: "budget",
        evidence: format!("the artifact's code counts {} in every loop and function (--budget {0})", kind.name()),
        remedy: "compile with --budget guard or off; `rtwasm bisect` of the module says what each costs",
    })
}

fn denormals(findings: &Findings<'_>) -> Option<Suspect> {
    let check = findings.denormals.filter(|check| check.is_slow())?;
    Some(Suspect {
        id: "denormals",
        evidence: format!(
            "of {} stretches of the workload {} are faster with denormals flushed, the most {:.1} times",
            check.stretches, check.slower, check.worst
        ),
        remedy: "RTW_DENORMALS_FLUSH for the instance or the thread (--flush-denormals), or cut tails to zero in the guest",
    })
}

fn unoptimised(findings: &Findings<'_>) -> Option<Suspect> {
    (findings.metadata.opt_level == "none").then(|| Suspect {
        id: "unoptimised",
        evidence: "the artifact's code was compiled with --opt none".into(),
        remedy: "compile with --opt speed, which is the default",
    })
}

fn overload(findings: &Findings<'_>) -> Option<Suspect> {
    let (period, steady) = (findings.period_ns? as f64, findings.steady?);
    // A cycle in which the thread had to wait does not show its own work.
    let waited = findings.evidence.wait_ns.unwrap_or(0) as f64 > WAIT_SHARE * findings.evidence.elapsed_ns as f64;
    (steady.p50 > 0.7 * period && !waited).then(|| Suspect {
        id: "overload",
        evidence: format!(
            "a usual cycle takes {} of a period of {}: little time is left for anything else",
            nanoseconds(steady.p50),
            nanoseconds(period)
        ),
        remedy: "longer blocks or periods, less work, or faster code: `rtwasm bisect` says what helps",
    })
}

fn wake_up(findings: &Findings<'_>) -> Option<Suspect> {
    let (period, late) = (findings.period_ns? as f64, findings.wake_up?);
    let is_late = late.p99 > 0.3 * period && findings.misses > 0;
    is_late.then(|| Suspect {
        id: "wake-up",
        evidence: format!(
            "the thread woke late: 1 % of the times by {} or more, of a period of {}",
            nanoseconds(late.p99),
            nanoseconds(period)
        ),
        remedy: "a real-time class (--fifo), a CPU of its own (--cpu); `rtwasm doctor` checks the machine",
    })
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

/// `412 ns`, `3.42 us`, `1.20 ms`, `2.00 s`.
pub fn nanoseconds(ns: f64) -> String {
    match ns {
        ..999.5 => format!("{ns:.0} ns"),
        ..999.5e3 => format!("{:.2} us", ns / 1e3),
        ..999.5e6 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// The times of one workload with denormals kept and flushed, alternating stretch by stretch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DenormalCheck {
    pub stretches: usize,
    /// The number of stretches that are slower with denormals kept.
    pub slower: usize,
    /// The largest factor.
    pub worst: f64,
    is_slow: bool,
}

impl DenormalCheck {
    const STRETCHES: usize = 40;
    /// The least number of cycles.
    pub const LEAST_CYCLES: f64 = Self::STRETCHES as f64 * 2.0 * 3.0;
    /// The factor that counts as slower. Processors differ: one takes 30 times as long, another 1.3 times.
    const FACTOR: f64 = 1.1;
    const CLEARLY: f64 = 1.5;

    /// Runs the check on an attached thread. `cycle_ns` is the approximate time of a cycle.
    pub fn run(module: &Arc<Module>, workload: &Workload, setup: &Setup, cycle_ns: f64) -> Result<DenormalCheck, Error> {
        let with = |flush_denormals| -> Result<Guest, Error> {
            let setup = Setup { flush_denormals, ..setup.clone() };
            aside(|| {
                let mut guest = Guest::of(module, workload, &setup)?;
                guest.prepare(run::DRY_CYCLES)?;
                Ok(guest)
            })
        };
        let (mut kept, mut flushed) = (with(false)?, with(true)?);
        let cycles = ((1e9 / Self::STRETCHES as f64 / 2.0 / cycle_ns.max(1.0)) as usize).clamp(3, 64);
        let ratios = aside(|| -> Result<Vec<f64>, Error> {
            (0..Self::STRETCHES)
                .map(|_| {
                    let kept = run::first(&mut kept, cycles).map_err(|status| kept.ended(status))?.0;
                    let flushed = run::first(&mut flushed, cycles).map_err(|status| flushed.ended(status))?.0;
                    Ok(stats::median(&kept) / stats::median(&flushed).max(1.0))
                })
                .collect()
        })?;
        let check = DenormalCheck::of(&ratios);
        aside(|| drop((kept, flushed, ratios)));
        Ok(check)
    }

    fn of(ratios: &[f64]) -> DenormalCheck {
        let slower = |factor: f64| ratios.iter().filter(|ratio| **ratio >= factor).count();
        // One stretch may have been interrupted, but chance would have hit as many of the flushed ones.
        let faster = ratios.iter().filter(|ratio| **ratio <= 1.0 / Self::FACTOR).count();
        let more_than_chance =
            |factor: f64, share: usize| slower(factor) * share >= ratios.len() && slower(factor) >= 4 * faster;
        DenormalCheck {
            stretches: ratios.len(),
            slower: slower(Self::FACTOR),
            worst: ratios.iter().copied().fold(0.0, f64::max),
            is_slow: more_than_chance(Self::CLEARLY, 8) || more_than_chance(Self::FACTOR, 4),
        }
    }

    pub fn is_slow(&self) -> bool {
        self.is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtwasm::engine::artifact::Description;
    use rtwasm::engine::profile::{Profile, Settings};

    fn metadata() -> Metadata {
        let description =
            Description { opt_level: "speed".into(), settings: Settings::new(Profile::Standalone), ..Description::default() };
        Metadata { description, ..Metadata::default() }
    }

    fn quiet() -> Evidence {
        Evidence {
            elapsed_ns: 2_000_000_000,
            wait_ns: Some(1_000_000),
            throttled: Some(0),
            throttled_ns: Some(0),
            steal_ns: Some(0),
            voluntary_switches: 2000,
            involuntary_switches: 5,
            ..Evidence::default()
        }
    }

    fn steady(p50: f64, max: f64) -> Distribution {
        Distribution { count: 1000, mean: p50, p50, p90: p50, p95: p50, p99: p50, p999: max, max }
    }

    /// The suspects after `change` has planted something in unsuspicious figures.
    fn ids(change: impl FnOnce(&mut Metadata, &mut Setup, &mut Evidence, &mut Planted)) -> Vec<&'static str> {
        let (mut metadata, mut setup, mut evidence) = (metadata(), crate::workload::describe::Options::new().setup, quiet());
        let mut planted = Planted {
            steady: steady(1e5, 2e5),
            wake_up: steady(3e3, 5e4),
            period_ns: Some(1_000_000),
            misses: 0,
            fresh: Phases::default(),
            denormals: DenormalCheck::of(&[1.0; 40]),
            slowed: Slowed { looks: 1000, slowed: 20 },
        };
        change(&mut metadata, &mut setup, &mut evidence, &mut planted);
        let findings = Findings {
            metadata: &metadata,
            setup: &setup,
            period_ns: planted.period_ns,
            first_evidence: None,
            steady: Some(&planted.steady),
            wake_up: Some(&planted.wake_up),
            misses: planted.misses,
            evidence: &evidence,
            fresh: Some(&planted.fresh),
            denormals: Some(planted.denormals),
            slowed: Some(planted.slowed),
        };
        suspects(&findings).iter().map(|suspect| suspect.id).collect()
    }

    struct Planted {
        steady: Distribution,
        wake_up: Distribution,
        period_ns: Option<u64>,
        misses: u64,
        fresh: Phases,
        denormals: DenormalCheck,
        slowed: Slowed,
    }

    #[test]
    fn nothing_is_suspected_where_nothing_is_planted() {
        assert!(ids(|_, _, _, _| {}).is_empty());
    }

    #[test]
    fn each_cause_is_named_and_no_other() {
        assert_eq!(ids(|_, _, e, _| (e.throttled, e.throttled_ns) = (Some(3), Some(200_000_000))), ["quota"]);
        let stopped_by_quota = |_: &mut _, _: &mut _, e: &mut Evidence, _: &mut _| {
            (e.throttled, e.throttled_ns, e.wait_ns) = (Some(3), Some(900_000_000), Some(900_000_000));
            e.involuntary_switches = 40;
        };
        assert_eq!(ids(stopped_by_quota), ["quota"]);
        assert_eq!(ids(|_, _, e, _| (e.involuntary_switches, e.wait_ns) = (100, Some(800_000_000))), ["neighbour"]);
        assert_eq!(ids(|_, _, e, _| e.steal_ns = Some(500_000_000)), ["hypervisor"]);
        assert_eq!(ids(|_, _, _, p| p.slowed.slowed = 500), ["shared-core"]);
        assert_eq!(ids(|_, s, _, p| (s.fifo, p.period_ns, p.steady.max) = (Some(50), None, 51e6)), ["realtime-limit"]);
        assert_eq!(ids(|_, s, _, p| (s.prepare, p.fresh.first_cycle) = (false, 2e6)), ["unprepared"]);
        assert_eq!(ids(|_, s, _, p| (s.prepare, p.fresh.first_cycle_faults) = (false, 3)), ["unprepared"]);
        assert_eq!(ids(|_, _, e, _| e.minor_faults = 100), ["page-faults"]);
        assert_eq!(ids(|_, _, e, _| e.major_faults = 1), ["page-faults"]);
        assert_eq!(ids(|_, _, e, _| e.allocations = 1), ["allocations"]);
        assert_eq!(ids(|m, _, _, _| m.description.settings.interruption = Interruption::Epoch), ["budget"]);
        assert_eq!(ids(|m, _, _, _| m.description.settings.interruption = Interruption::Fuel), ["budget"]);
        assert_eq!(ids(|m, _, _, _| m.description.opt_level = "none".into()), ["unoptimised"]);
        assert_eq!(ids(|_, _, _, p| p.steady.p50 = 8e5), ["overload"]);
        assert_eq!(ids(|_, _, e, p| (e.wait_ns, p.steady.p50) = (Some(800_000_000), 8e5)), ["neighbour"]);
        assert_eq!(ids(|_, _, _, p| (p.wake_up.p99, p.misses) = (5e5, 4)), ["wake-up"]);
        let mut tail = vec![1.0; 30];
        tail.extend([8.0; 10]);
        assert_eq!(ids(|_, _, _, p| p.denormals = DenormalCheck::of(&tail)), ["denormals"]);
        let somewhat = [vec![1.0; 20], vec![1.35; 20]].concat();
        assert_eq!(ids(|_, _, _, p| p.denormals = DenormalCheck::of(&somewhat)), ["denormals"]);
        let restless = [vec![1.0; 20], vec![1.6; 10], vec![0.7; 10]].concat();
        assert!(ids(|_, _, _, p| p.denormals = DenormalCheck::of(&restless)).is_empty(), "both ways: that is the machine");
    }

    #[test]
    fn what_was_not_counted_accuses_nobody() {
        let unknown = |_: &mut _, _: &mut _, e: &mut Evidence, _: &mut _| {
            (e.throttled, e.throttled_ns, e.wait_ns, e.steal_ns) = (None, None, None, None);
            e.involuntary_switches = 100;
        };
        assert!(ids(unknown).is_empty());
        let mut interrupted = [1.0; 40];
        interrupted[7] = 30.0;
        assert!(!DenormalCheck::of(&interrupted).is_slow(), "one stretch proves nothing");
    }

    #[test]
    fn times_are_readable() {
        let texts = [0.0, 412.3, 999.4, 3420.0, 1.2e6, 2e9].map(nanoseconds);
        assert_eq!(texts, ["0 ns", "412 ns", "999 ns", "3.42 us", "1.20 ms", "2.00 s"]);
    }
}
