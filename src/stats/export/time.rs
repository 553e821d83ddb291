//! Moments as text, in UTC.

/// Year, month, day from days since 1970-01-01 (Howard Hinnant's civil_from_days).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `2026-11-20 16:30:00.123 UTC`.
pub fn utc(realtime_ns: u64) -> String {
    let seconds = realtime_ns / 1_000_000_000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03} UTC", realtime_ns / 1_000_000 % 1_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments() {
        assert_eq!(super::utc(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(super::utc(951_782_400_000_000_000), "2000-02-29 00:00:00.000 UTC");
        assert_eq!(super::utc(1_000_000_000_123_456_789), "2001-09-09 01:46:40.123 UTC");
        assert_eq!(super::utc(4_107_542_399_999_000_000), "2100-02-28 23:59:59.999 UTC");
    }
}
