//! The cost of reading the statistics, for the reader: of one func, of everything an instance has, and written as JSON.

use super::library::{Handle, Library, Options, Statistics};
use super::measure::{Row, Subject, interleaved};

/// Funcs of the instance; the figures of all of them are read.
const FUNCS: usize = 8;
/// Calls of each before.
const CALLS: u64 = 100_000;
/// Readings a round.
const READINGS: u64 = 2_000;

/// The baseline is what a host did before there was anything but rtw_func_stats: one func.
pub fn snapshot(library: &Library, artifacts: &str) -> Result<Vec<Row>, String> {
    let options = Options { plugin: true, statistics: true, denormals: 0, budget_ns: 0 };
    let guest = library.guest(&format!("{artifacts}/calls-plugin.rtw"), options)?;
    let funcs = (0..FUNCS).map(|_| guest.func(c"empty")).collect::<Result<Vec<Handle>, String>>()?;
    let mut values = [super::library::Value { i32: 0 }; 1];
    for func in &funcs {
        for _ in 0..CALLS {
            // SAFETY: a live func of this thread's instance.
            unsafe { (library.invoke)(*func, values.as_mut_ptr(), 1) };
        }
    }
    let statistics = Statistics::of(library)?;
    let interval = statistics.interval_of(guest.instance())?;
    let (mut of_func, mut of_instance, mut of_interval) = (library.empty_stats(), library.empty_stats(), library.empty_stats());
    let mut text = vec![0u8; 1 << 20];
    let (func, instance) = (funcs[0], guest.instance());
    let subjects = vec![
        Subject {
            name: "rtw_func_stats",
            run: Box::new(|n| {
                (0..n).for_each(|_| {
                    // SAFETY: a live func and an initialised struct.
                    let status = unsafe { (library.func_stats)(func, &mut of_func) };
                    assert!(status == 0 && of_func.calls == CALLS);
                })
            }),
        },
        Subject {
            name: "rtw_instance_stats, 8 funcs",
            run: Box::new(|n| {
                (0..n).for_each(|_| {
                    // SAFETY: a live instance and an initialised struct.
                    let status = unsafe { (statistics.instance_stats)(instance, &mut of_instance) };
                    assert!(status == 0 && of_instance.calls == CALLS * FUNCS as u64);
                })
            }),
        },
        Subject {
            name: "rtw_interval_read, 8 funcs",
            run: Box::new(|n| {
                (0..n).for_each(|_| {
                    // SAFETY: a live interval and an initialised struct.
                    let status = unsafe { (statistics.interval_read)(interval, &mut of_interval) };
                    assert!(status == 0 && of_interval.calls == 0);
                })
            }),
        },
        Subject {
            name: "rtw_instance_export, JSON",
            run: Box::new(|n| {
                (0..n).for_each(|_| {
                    let status = statistics.export_json(instance, &mut text);
                    assert!(status == 0 && text[0] == b'{');
                })
            }),
        },
    ];
    Ok(interleaved("snapshot", READINGS, subjects))
}
