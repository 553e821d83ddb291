//! Limits how long a CPU may take to wake from idling (the kernel's PM QoS).

use std::fs::{File, OpenOptions};
use std::io::Write;

use crate::status::*;

const DEVICE: &str = "/dev/cpu_dma_latency";

/// A limit that holds while this value lives.
pub struct Promise(#[allow(dead_code)] File);

/// Requests that no CPU idles so deeply that waking it takes more than `latency_us`.
pub fn limit(latency_us: i32) -> Result<Promise> {
    let asked = OpenOptions::new().write(true).open(DEVICE).and_then(|mut device| {
        device.write_all(&latency_us.to_ne_bytes())?;
        Ok(device)
    });
    match asked {
        Ok(device) => Ok(Promise(device)),
        Err(cause) => {
            let refused = cause.kind() == std::io::ErrorKind::PermissionDenied;
            let status = if refused { RTW_ERR_PERMISSION } else { RTW_ERR_UNSUPPORTED };
            Err(Error::os(
                status,
                format!("cannot limit how deeply CPUs idle, to {latency_us} us: {DEVICE} must be there and writable"),
                &cause,
            ))
        }
    }
}
