//! The variants of a workload, each with one changed setting.

use rtwasm::engine::profile::Profile;
use rtwasm_compiler::Opt;

use super::describe::{Compilation, Growth, Setup};
use super::os;
use super::source::Source;
use crate::compile::{BUDGETS, budget_from_name, budget_name};

/// A way to run the workload.
#[derive(Clone)]
pub struct Variant {
    /// The setting: "optimisation", "denormals".
    pub choice: &'static str,
    /// Its value: "size", "flush".
    pub value: String,
    pub how: Compilation,
    pub setup: Setup,
    /// True if it matters in a fresh process, and is tried in some.
    pub fresh: bool,
}

/// A variant that cannot be tried.
pub struct Skipped {
    pub name: String,
    pub reason: String,
}

/// The names of the baseline and of its twin in tables.
pub const BASELINE: &str = "baseline";
pub const TWIN: &str = "twin";

/// The tried priority.
const PRIORITY: i32 = 50;

impl Variant {
    pub fn name(&self) -> String {
        format!("{} {}", self.choice, self.value).trim_end().to_owned()
    }

    /// The meaning of a variant that is faster than the baseline, or slower.
    pub fn meaning(&self, faster: bool) -> &'static str {
        match (self.choice, faster) {
            ("budget", true) => "the baseline pays for checks that make its calls interruptible",
            ("budget", false) => "the cost of cutting calls off this way",
            ("denormals", true) => "the workload computes with denormal numbers: flush them, or cut them to zero in the guest",
            ("prepare", false) => "the first cycles pay for what rtw_instance_prepare would have done before",
            ("prepare", true) => "prepare takes this time once, before the first deadline, instead of in a cycle",
            ("scheduling", true) => "other threads run on the CPU when the thread is due: a real-time class keeps them off",
            ("CPU", true) => "the thread runs better on one CPU",
            ("traps", false) => "the cost of checks in the code, which need no signal handler",
            ("traps", true) => "guard pages save checks in the code, and need signal handlers",
            ("optimisation", true) => "the baseline's code is not the fastest: compile with this",
            ("growth", true) => "the guest grows its memory while it runs, and works without growth if refused",
            ("growth", false) => "growth of a memory takes system calls and page faults",
            ("memory" | "tables" | "allocation", false) => "the first cycles do the work that was put off",
            _ => "",
        }
    }
}

/// The baseline, its twin, and all variants; and those that cannot be tried with this source.
pub fn matrix(source: &Source, how: Compilation, setup: &Setup) -> (Vec<Variant>, Vec<Skipped>) {
    let mut matrix = Matrix { variants: Vec::new(), skipped: Vec::new(), how, setup: setup.clone(), source };
    matrix.variants.push(matrix.variant(BASELINE, String::new(), true));
    matrix.variants.push(matrix.variant(TWIN, String::new(), true));
    matrix.add_compiled();
    matrix.add_lazy();
    matrix.add_thread();
    (matrix.variants, matrix.skipped)
}

struct Matrix<'a> {
    variants: Vec<Variant>,
    skipped: Vec<Skipped>,
    how: Compilation,
    setup: Setup,
    source: &'a Source,
}

impl Matrix<'_> {
    fn variant(&self, choice: &'static str, value: String, fresh: bool) -> Variant {
        Variant { choice, value, how: self.how, setup: self.setup.clone(), fresh }
    }

    /// Adds a variant that changes the code, which an artifact does not permit.
    fn compiled(&mut self, choice: &'static str, value: &str, fresh: bool, change: impl FnOnce(&mut Variant)) {
        let mut variant = self.variant(choice, value.to_owned(), fresh);
        if self.source.is_artifact {
            let reason = "fixed in the artifact: use the module that it was made from".into();
            return self.skipped.push(Skipped { name: variant.name(), reason });
        }
        change(&mut variant);
        self.variants.push(variant);
    }

    fn chosen(&mut self, choice: &'static str, value: String, fresh: bool, change: impl FnOnce(&mut Setup)) {
        let mut variant = self.variant(choice, value, fresh);
        change(&mut variant.setup);
        self.variants.push(variant);
    }

    fn add_compiled(&mut self) {
        let chosen = self.how.opt;
        for opt in Opt::ALL.into_iter().filter(|opt| *opt != chosen) {
            self.compiled("optimisation", opt.name(), false, |variant| variant.how.opt = opt);
        }
        for name in BUDGETS.split(", ") {
            match budget_from_name(name) {
                Some(kind) if kind == self.how.interruption => {}
                Some(kind) => self.compiled("budget", name, false, |variant| variant.how.interruption = kind),
                None => {
                    let reason = "this compiler does not support it".into();
                    self.skipped.push(Skipped { name: format!("budget {name}"), reason });
                }
            }
        }
        let (profile, value) = match self.how.profile {
            Profile::Standalone => (Profile::Plugin, "explicit (plugin)"),
            Profile::Plugin => (Profile::Standalone, "by signal (standalone)"),
        };
        self.compiled("traps", value, false, |variant| variant.how.profile = profile);
    }

    fn add_lazy(&mut self) {
        self.chosen("allocation", "pooling".into(), true, |setup| setup.pooling = true);
        self.compiled("memory", "copy-on-write", true, |variant| variant.setup.copy_on_write = true);
        self.compiled("tables", "lazy", true, |variant| variant.setup.lazy_tables = true);
        let prepare = !self.setup.prepare;
        let value = if prepare { "done" } else { "left out" };
        self.chosen("prepare", value.into(), true, |setup| setup.prepare = prepare);
        let growth = if self.setup.growth == Growth::Allowed { Growth::Refused } else { Growth::Allowed };
        self.chosen("growth", growth.to_string(), false, |setup| setup.growth = growth);
    }

    fn add_thread(&mut self) {
        let cpu = if self.setup.cpu.is_some() { None } else { os::allowed_cpus().last().copied() };
        let value = cpu.map_or("not pinned".into(), |cpu| format!("pinned to {cpu}"));
        self.chosen("CPU", value, false, |setup| setup.cpu = cpu);
        let fifo = if self.setup.fifo.is_some() { None } else { Some(PRIORITY) };
        let value = fifo.map_or("ordinary".into(), |priority| format!("FIFO {priority}"));
        self.chosen("scheduling", value, false, |setup| setup.fifo = fifo);
        let flush = !self.setup.flush_denormals;
        let value = if flush { "flush" } else { "keep" };
        self.chosen("denormals", value.into(), false, |setup| setup.flush_denormals = flush);
    }
}

/// The baseline in words.
pub fn text(how: Compilation, setup: &Setup) -> String {
    format!(
        "optimisation {}, budget {}, profile {}, {}",
        how.opt.name(),
        budget_name(how.interruption),
        how.profile.name(),
        setup.text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::describe::Options;

    fn names(is_artifact: bool) -> (Vec<String>, Vec<String>) {
        let source = Source { name: "it".into(), bytes: Vec::new(), is_artifact };
        let options = Options::new();
        let (variants, skipped) = matrix(&source, options.compilation(), &options.setup);
        let base = &variants[0];
        for variant in &variants[2..] {
            let changes = u32::from(variant.how != base.how) + u32::from(variant.setup != base.setup);
            assert_eq!(changes, 1, "{} is one change", variant.name());
        }
        assert!(variants[1].how == base.how && variants[1].setup == base.setup, "the twin is the baseline");
        (variants.iter().map(Variant::name).collect(), skipped.into_iter().map(|skipped| skipped.name).collect())
    }

    #[test]
    fn every_choice_is_there_once() {
        let (variants, skipped) = names(false);
        let all: Vec<&String> = variants.iter().chain(&skipped).collect();
        for name in [
            "baseline",
            "twin",
            "optimisation none",
            "optimisation size",
            "budget off",
            "budget epoch",
            "budget fuel",
            "traps explicit (plugin)",
            "allocation pooling",
            "memory copy-on-write",
            "tables lazy",
            "prepare left out",
            "scheduling FIFO 50",
            "denormals flush",
        ] {
            assert_eq!(all.iter().filter(|known| **known == name).count(), 1, "{name} in {all:?}");
        }
        assert!(variants.iter().any(|name| name.starts_with("CPU pinned to ")));
        assert!(!all.iter().any(|name| *name == "optimisation speed" || *name == "budget guard"));
    }

    #[test]
    fn what_an_artifact_has_settled_is_skipped() {
        let (variants, skipped) = names(true);
        assert!(variants.contains(&"denormals flush".to_owned()) && variants.contains(&"allocation pooling".to_owned()));
        assert!(skipped.contains(&"optimisation none".to_owned()) && skipped.contains(&"tables lazy".to_owned()));
    }
}
