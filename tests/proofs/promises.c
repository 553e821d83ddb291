/* The promises about a call, on good and on failing paths, each watched over all the calls: it allocates nothing, locks nothing,
 * makes no system call, takes no page fault, does not let go of the CPU, and leaves errno, the signal mask and the registers
 * as they were. On a machine at rest also other paths (promises/paths.h, promises/guests.h).
 *
 *   promises PROFILE FOLDER          on a machine at rest
 *   promises PROFILE FOLDER pressed  while a process presses memory and the library's pages are reclaimed where they can be
 *   promises PROFILE FOLDER beside   beside a thread that loads and drops modules and instances all the time */
#include "promises/around.h"
#include "promises/calls.h"
#include "promises/failing.h"
#include "promises/guests.h"
#include "promises/paths.h"
#include "promises/rows.h"

#include <inttypes.h>
#include <string.h>

/* Makes the instances for the good and the failing calls, and prepares them. Returns the func whose statistics others may read. */
static rtw_func_t *set_up(rtw_module_t *module, host_t *host)
{
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    rtw_func_t *read = set_up_calls(module, host, &report);
    if (at_rest())
        row("allocates nothing", "prepare's report of the dry calls", report.dry_calls, report.allocations == 0 && report.minor_faults == 0,
            PLANTED_NONE, "%" PRIu64 " allocations, %" PRIu64 " faults", report.allocations, report.minor_faults + report.major_faults);
    set_up_failing(module);
    return read;
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    const pid_t presser = pressed() ? press_memory() : 0;
    rtw_runtime_t *runtime = make_locking_runtime(pressed() ? RTW_LOCK_REQUIRED : RTW_LOCK_OFF);
    rtw_module_t *module = load(runtime, "work");
    /* Beside others, what a fault waits for is to be the lock, not the CPU. */
    const bool ahead = attach_with_stack(runtime, beside());
    static host_t host;
    rtw_func_t *read = set_up(module, &host);
    if (at_rest())
        set_up_guests(set_up_paths());

    start_around(runtime, read);
    map_absent_file(&host);
    wait_for_quiet_signals(runtime);
    watch_system_calls();
    warm_up_observers();

    findings_t good, failing;
    memset(&good, 0, sizeof good);
    memset(&failing, 0, sizeof failing);
    const uint64_t calls = proof_calls();
    good_calls(&good, calls);
    failing_calls(&failing, proof_faults());

    end_around();
    plant_all(&host);
    path_rows("good calls", &good);
    /* In the standalone profile a trap looks its code up under a read lock that loading takes for writing: not promised. */
    if (!beside() || profile == RTW_PROFILE_PLUGIN)
        path_rows("failing calls", &failing);

    if (beside())
        print_fault_times(ahead ? "real-time" : "ordinary");
    if (at_rest()) {
        prove_paths(calls);
        prove_guests(calls / 10);
        const uint64_t peak = fault_peak_bytes();
        row("a fault's memory is the arena's", "arena_peak_bytes", failing.calls / 2, peak > 0 && peak < 4096, PLANTED_NONE,
            "at most %" PRIu64 " bytes a fault", peak);
    }
    if (presser)
        stop_pressing(presser);
    return check_summary();
}
