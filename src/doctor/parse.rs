//! Parsers for the kernel's text formats, which also accept damaged text.

use crate::sys::sched::{self, Policy};

/// CPU numbers from here on are taken for damage.
const MAX_CPUS: usize = 1 << 12;
/// The most characters of a file's own words in a finding.
const MAX_SHOWN_CHARS: usize = 160;

/// Numbers of CPUs, in the kernel's list form: `0-3,8`.
#[derive(Clone, PartialEq, Eq)]
pub struct CpuList([u64; MAX_CPUS / 64]);

impl CpuList {
    pub const EMPTY: CpuList = CpuList([0; MAX_CPUS / 64]);

    /// Parses a list; an empty text is an empty list, any other text that is no list is None.
    #[inline(never)]
    pub fn parse(text: &str) -> Option<CpuList> {
        let mut cpus = CpuList::EMPTY;
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if first > last || last >= MAX_CPUS {
                return None;
            }
            (first..=last).for_each(|cpu| cpus.insert(cpu));
        }
        Some(cpus)
    }

    pub fn only(cpu: usize) -> CpuList {
        let mut cpus = CpuList::EMPTY;
        cpus.insert(cpu);
        cpus
    }

    /// Adds a CPU; ignores numbers that no machine has.
    #[inline(never)]
    pub fn insert(&mut self, cpu: usize) {
        if let Some(word) = self.0.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }

    #[inline(never)]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / 64).is_some_and(|word| word >> (cpu % 64) & 1 == 1)
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..MAX_CPUS).filter(|cpu| self.contains(*cpu))
    }

    #[inline(never)]
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn is_subset(&self, of: &CpuList) -> bool {
        self.0.iter().zip(&of.0).all(|(ours, theirs)| ours & !theirs == 0)
    }

    pub fn overlaps(&self, with: &CpuList) -> bool {
        self.0.iter().zip(&with.0).any(|(ours, theirs)| ours & theirs != 0)
    }

    /// The CPU, if there is only one.
    pub fn single(&self) -> Option<usize> {
        if self.count() == 1 { self.iter().next() } else { None }
    }
}

impl std::fmt::Display for CpuList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for cpu in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        let texts: Vec<String> = ranges
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        f.write_str(&texts.join(","))
    }
}

/// The value of a line `Name: value`.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The number of a line `Name:   123 kB`.
pub fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split_whitespace().next()?.parse().ok()
}

/// The number of a line `name 123`.
pub fn keyed(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

/// The soft and the hard limit; `u64::MAX` means unlimited.
pub fn limit(limits: &str, name: &str) -> Option<(u64, u64)> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let value = |word: &str| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() };
    let mut words = rest.split_whitespace();
    Some((value(words.next()?)?, value(words.next()?)?))
}

/// The word in brackets of `always [madvise] never`, or the only word.
pub fn chosen(text: &str) -> Option<&str> {
    match text.split_once('[') {
        Some((_, rest)) => rest.split_once(']').map(|(word, _)| word),
        None => (text.split_whitespace().count() == 1).then_some(text),
    }
}

/// The value of a word `name=value` of the kernel's command line; the last one counts.
pub fn parameter<'a>(command_line: &'a str, name: &str) -> Option<&'a str> {
    command_line.split_whitespace().rev().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The fields of /proc/PID/stat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub name: String,
    pub state: char,
    pub is_kernel_thread: bool,
    /// The CPU on which it ran last.
    pub cpu: usize,
    pub priority: u32,
    pub policy: u32,
}

impl Task {
    /// Parses a line of /proc/PID/stat. The name may contain anything, so the fields are counted from the last parenthesis.
    #[inline(never)]
    pub fn parse(stat: &str) -> Option<Task> {
        const KERNEL_THREAD: u64 = 0x0020_0000;
        let (before, after) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = after.split_whitespace().collect();
        // The state is the third field of the line.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Task {
            name,
            state: fields.first()?.chars().next()?,
            is_kernel_thread: number(9)? & KERNEL_THREAD != 0,
            cpu: number(39)? as usize,
            priority: number(40)? as u32,
            policy: number(41)? as u32,
        })
    }

    pub fn is_real_time(&self) -> bool {
        let number = self.policy as i32;
        sched::is_deadline(number) || matches!(Policy::from_number(number), Some(Policy::Fifo | Policy::RoundRobin))
    }
}

/// The name of a policy.
pub fn policy_name(policy: u32) -> String {
    let names = ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "", "SCHED_IDLE", "SCHED_DEADLINE"];
    match names.get(policy as usize) {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("policy {policy}"),
    }
}

/// The share of the last ten seconds in which threads waited, in hundredths of a percent: `some avg10=1.23 ...`.
pub fn pressure(text: &str, line: &str) -> Option<u32> {
    let words = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '))?;
    let percent = words.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
    let (whole, hundredths) = percent.split_once('.')?;
    let (whole, hundredths): (u32, u32) = (whole.parse().ok()?, hundredths.get(..2)?.parse().ok()?);
    (whole <= 100 && hundredths < 100).then_some(100 * whole + hundredths)
}

/// Formats hundredths of a percent as a percentage.
pub fn percent(hundredths: u32) -> String {
    format!("{}.{} %", hundredths / 100, hundredths / 10 % 10)
}

/// A file's own words for a finding: one short line, without characters that a terminal or a shell could interpret.
#[inline(never)]
pub fn shown(text: &str) -> String {
    let clean: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN_CHARS).collect();
    if clean.chars().count() < text.trim().chars().count() { clean + " ..." } else { clean }
}

/// A file's own words as one word for a shell.
pub fn quoted(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", clean.replace('\'', "'\\''"))
}

/// `1 thing`, `2 things`.
#[inline(never)]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

pub fn mebibytes(bytes: u64) -> String {
    match bytes {
        u64::MAX => "unlimited".into(),
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        for text in ["", "0", "0-3", "0-3,8,10-11"] {
            assert_eq!(CpuList::parse(text).unwrap().to_string(), text);
        }
        for text in ["x", "3-1", "0-", "-1", "0-99999999999999999999", "0-4000000000"] {
            assert!(CpuList::parse(text).is_none(), "{text}");
        }
        assert_eq!(CpuList::parse("5\n").unwrap().single(), Some(5));
        assert_eq!(CpuList::parse("5-6").unwrap().single(), None);
    }

    #[test]
    fn tables_of_the_kernel_are_read() {
        let limits = "Limit    Soft Limit  Hard Limit  Units\nMax locked memory   8388608   unlimited   bytes\nMax realtime priority  0 95\n";
        assert_eq!(limit(limits, "Max locked memory"), Some((8388608, u64::MAX)));
        assert_eq!(limit(limits, "Max realtime priority"), Some((0, 95)));
        assert_eq!(limit("Max locked memory   junk", "Max locked memory"), None);
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!(chosen("never"), Some("never"));
        assert_eq!((chosen("always [mad"), chosen("two words"), chosen("")), (None, None, None));
        assert_eq!(parameter("quiet preempt=none preempt=full", "preempt"), Some("full"));
        assert_eq!(kib("VmLck:\t      12 kB\nVmRSS: 8 kB", "VmRSS"), Some(8));
        assert_eq!(keyed("nr_periods 3\nnr_throttled 2\n", "nr_throttled"), Some(2));
        assert_eq!(pressure("some avg10=1.50 avg60=0.00\nfull avg10=10.25", "full").map(percent), Some("10.2 %".into()));
        assert_eq!((pressure("some avg10=nan", "some"), pressure("some avg10=1.x", "some")), (None, None));
    }

    #[test]
    fn tasks_with_strange_names_are_read() {
        let fields: Vec<String> = (4..=52).map(|n| if n == 9 { "2097152".into() } else { n.to_string() }).collect();
        let stat = format!("12 (a) b (c)) R {}", fields.join(" "));
        let task = Task::parse(&stat).unwrap();
        assert_eq!((task.name.as_str(), task.state, task.is_kernel_thread), ("a) b (c)", 'R', true));
        assert_eq!((task.cpu, task.priority, task.policy), (39, 40, 41));
        assert_eq!(Task::parse("12 (a) R 1 2 3"), None);
        assert_eq!(Task::parse(""), None);
    }

    #[test]
    fn foreign_words_stay_words() {
        assert_eq!(shown(" a\nrm -rf\x1b[31m "), "a rm -rf [31m");
        assert_eq!(shown(&"x".repeat(500)).len(), MAX_SHOWN_CHARS + 4);
        assert_eq!(quoted("a'b\nc"), r"'a'\''bc'");
    }
}
