//! Carries of the histogram's counters, `src/record/histogram.rs`. A counter is full at one value here instead of four billion.

models!(right: "histogram_models.rs", histogram);
models!(unseen: "histogram_models.rs", twins::histogram_carries_unseen);
models!(at_once: "histogram_models.rs", twins::histogram_reads_at_once);

#[test]
fn no_reader_sees_half_of_a_carry() {
    super::explore("carries", 2, right::carries);
    super::explore("carries of two buckets", 2, right::carries_of_two);
}

#[test]
fn a_carry_without_a_version_is_found() {
    assert!(super::finds(2, unseen::carries));
}

#[test]
fn a_reader_without_the_version_is_found() {
    assert!(super::finds(2, at_once::carries));
}
