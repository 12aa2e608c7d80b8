//! When a list is fetched next.

/// A day, for lists that say nothing.
const USUAL: u32 = 86_400;
/// What a list's own `Expires:` may be, in seconds: an hour to a week.
const EXPIRES: std::ops::RangeInclusive<u32> = 3_600..=7 * 86_400;
/// The shortest interval that an owner may set: nobody's server is for more.
const SHORTEST: u32 = 300;
/// How long to wait after the first failures in a row; later ones double the last.
const AFTER_FAILURE: [u32; 4] = [60, 300, 1_800, 7_200];
/// Tenths of a percent by which attempts are spread, either way.
const SPREAD: u64 = 100;

/// Returns in how many seconds a list is to be attempted again.
///
/// `every` is the owner's interval, `expires` the list's own; `failures` is the number of attempts in
/// a row that came to nothing. `jitter` is any number: by it, up to a tenth is added or taken
/// away, so that lists of one server, and many of us, do not come all at once.
pub fn next_due(every: Option<u32>, expires: Option<u32>, failures: u32, jitter: u64) -> u32 {
    let interval = match (every, expires) {
        (Some(every), _) => every.max(SHORTEST),
        (None, Some(expires)) => expires.clamp(*EXPIRES.start(), *EXPIRES.end()),
        (None, None) => USUAL,
    };
    let wait = if failures == 0 { interval } else { back_off(failures).min(interval) };
    spread(wait, jitter)
}

fn back_off(failures: u32) -> u32 {
    let last = AFTER_FAILURE.len() - 1;
    let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let doublings = u32::try_from(place.saturating_sub(last)).unwrap_or(u32::MAX).min(16);
    let wait = AFTER_FAILURE.get(place.min(last)).copied().unwrap_or(USUAL);
    wait.saturating_mul(1 << doublings)
}

fn spread(wait: u32, jitter: u64) -> u32 {
    let thousandths = 1_000 - SPREAD + jitter % (2 * SPREAD + 1);
    u32::try_from(u64::from(wait) * thousandths / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u32 = 3_600;
    const DAY: u32 = 24 * HOUR;
    /// The jitter that changes nothing.
    const EVEN: u64 = SPREAD;

    #[test]
    fn a_day_unless_list_or_owner_say_otherwise() {
        assert_eq!(next_due(None, None, 0, EVEN), DAY);
        assert_eq!(next_due(None, Some(4 * HOUR), 0, EVEN), 4 * HOUR);
        assert_eq!(next_due(Some(2 * HOUR), Some(4 * HOUR), 0, EVEN), 2 * HOUR);
        assert_eq!(next_due(Some(30 * DAY), None, 0, EVEN), 30 * DAY);
    }

    #[test]
    fn what_a_list_says_holds_within_an_hour_and_a_week() {
        assert_eq!(next_due(None, Some(0), 0, EVEN), HOUR);
        assert_eq!(next_due(None, Some(u32::MAX), 0, EVEN), 7 * DAY);
    }

    #[test]
    fn an_owner_may_set_five_minutes_and_no_less() {
        assert_eq!(next_due(Some(300), None, 0, EVEN), 300);
        assert_eq!(next_due(Some(1), None, 0, EVEN), 300);
    }

    #[test]
    fn failures_are_tried_again_soon_then_seldom_never_later_than_the_interval() {
        let waits: Vec<u32> = (1..9).map(|n| next_due(None, None, n, EVEN)).collect();
        assert_eq!(waits, [60, 300, 1_800, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY]);
        let every_hour: Vec<u32> = (1..6).map(|n| next_due(Some(HOUR), None, n, EVEN)).collect();
        assert_eq!(every_hour, [60, 300, 1_800, HOUR, HOUR]);
        assert_eq!(next_due(None, None, u32::MAX, EVEN), DAY);
    }

    #[test]
    fn jitter_moves_an_attempt_by_a_tenth_at_most() {
        let waits: Vec<u32> = (0..10_000).map(|jitter| next_due(None, None, 0, jitter)).collect();
        assert_eq!(waits.iter().min(), Some(&(DAY / 10 * 9)));
        assert_eq!(waits.iter().max(), Some(&(DAY / 10 * 11)));
        assert!(next_due(Some(u32::MAX), None, 0, u64::MAX) > u32::MAX / 10 * 9);
    }
}
