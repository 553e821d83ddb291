//! The names of the processor and the kernel.

/// The processor's name, if the kernel knows one.
pub fn processor() -> Option<String> {
    first_value("/proc/cpuinfo", "model name").or_else(|| first_value("/proc/cpuinfo", "CPU implementer"))
}

/// The kernel's release; empty if it cannot be read.
pub fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn first_value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
