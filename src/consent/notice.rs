//! When what a grant shows changes by itself, and when people are told of it beforehand.

use jiff::civil::Date;

use super::age::{BirthDate, local_date};
use super::policy::Policy;
use super::standing::Right;
use crate::base::clock::Instant;
use crate::identity::GrantBasis;

/// People are told so many days before (portal design, 3.4), the earliest notice first.
const TOLD_BEFORE: [i64; 4] = [90, 30, 7, 0];

/// Something that changes on a day, of which people are to be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueNotice {
    /// The day on which it changes.
    pub day: Date,
    /// Which of the notices it is: so many days before.
    pub before: i64,
}

/// What is due of one grant on the day that it is now where the practice is: the end of its period, its review, and the next
/// birthday on which another band begins. Of several notices that were missed only the last one.
#[must_use]
pub fn due_notices(
    right: &Right,
    births: &[BirthDate],
    (policy, zone): (&Policy, &jiff::tz::TimeZone),
    now: Instant,
) -> Vec<DueNotice> {
    let today = local_date(now, zone);
    let mut days = Vec::new();
    days.extend(right.period.until.map(|until| local_date(until, zone)));
    days.extend(right.scope.review_by.map(|by| local_date(Instant::from_micros(by), zone)));
    let is_for_minor = matches!(right.basis, GrantBasis::Parent | GrantBasis::GuardianMinor | GrantBasis::Foster);
    if is_for_minor {
        let boundaries: Vec<_> = policy.bands.iter().map(|band| band.from).collect();
        days.extend(births.iter().filter_map(|birth| birth.next_boundary(&boundaries, policy.leap_day, today)));
    }
    let mut due: Vec<DueNotice> = days.into_iter().filter_map(|day| notice(day, today)).collect();
    due.sort_unstable();
    due.dedup();
    due
}

fn notice(day: Date, today: Date) -> Option<DueNotice> {
    let left = i64::from(today.until(day).ok()?.get_days());
    let before = TOLD_BEFORE.into_iter().rfind(|before| left <= *before).filter(|_| left >= 0)?;
    Some(DueNotice { day, before })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// By hand: which notice is due so many days before.
    #[test]
    fn the_last_notice_that_is_due_is_given() {
        let today = date(2026, 3, 1);
        for (left, before) in [
            (91, None),
            (90, Some(90)),
            (31, Some(90)),
            (30, Some(30)),
            (8, Some(30)),
            (7, Some(7)),
            (1, Some(7)),
            (0, Some(0)),
            (-1, None),
        ] {
            let day = today.checked_add(jiff::Span::new().days(left)).unwrap();
            assert_eq!(notice(day, today).map(|due| due.before), before, "{left}");
        }
    }
}
