//! What the clock does to a policy: pauses, schedules; and what never may break where only listed
//! names are answered.

use super::keeper_tests::{House, PIXEL, SECONDS, START, TV, tv};
use super::*;
use crate::model::{GroupName, Reason, Scope, Verdict};

#[test]
fn a_clock_set_back_ends_a_pause_and_one_set_right_at_start_finds_it() {
    let house = House::with(TV);
    let running = house.start();
    running.must(Change::Pause(tv(), SECONDS + 600));
    assert!(!running.blocks("10.0.0.4", PIXEL));
    house.clock.set_by(-3_600_000_000);
    assert!(running.blocks("10.0.0.4", PIXEL), "an hour back: it has not begun");
    assert_eq!(running.policy.timed().pauses, []);
    house.clock.set_by(3_600_000_000);
    assert!(!running.blocks("10.0.0.4", PIXEL));
    drop(running);
    // A board without a clock begins in 1970.
    house.clock.set_by(-START);
    let running = house.start();
    assert!(running.blocks("10.0.0.4", PIXEL));
    house.clock.set_by(START + 60_000_000);
    assert!(!running.blocks("10.0.0.4", PIXEL), "the time was set: nine minutes are left");
    house.clock.advance(540_000_000);
    assert!(running.blocks("10.0.0.4", PIXEL));
}

#[test]
fn a_pause_of_a_group_lifts_its_members_and_unknown_devices_in_it() {
    let text = "[[group]]\nname = \"Kids\"\n[[device]]\nname = \"TV\"\naddresses = \
                [\"10.0.0.4\"]\ngroups = [\"Kids\"]\n[[device]]\nname = \"Radio\"\naddresses = \
                [\"10.0.0.5\"]\n[unknown]\ngroups = [\"Kids\"]\n";
    let house = House::with(text);
    let running = house.start();
    let kids = Scope::Group(GroupName::parse("Kids").expect("a name"));
    running.must(Change::Pause(kids, SECONDS + 600));
    let blocks = |client| running.blocks(client, PIXEL);
    assert_eq!(["10.0.0.4", "10.0.0.5", "10.0.0.9"].map(blocks), [false, true, false]);
}

#[test]
fn schedules_begin_and_end_by_the_clock_without_a_revision() {
    // It is 22:13 UTC, on a Tuesday.
    let text = "[everyone]\nlevel = \"off\"\n[[schedule]]\nname = \"night\"\n\
                times = [\"22:30-06:00\"]\nlevel = \"standard\"\n";
    let house = House::with(text);
    let running = house.start();
    let revisions = running.policy.revisions().expect("read").len();
    let ruleset = Arc::clone(&running.live.load().ruleset);
    assert!(!running.policy.tick() && !running.blocks("10.0.0.4", PIXEL));
    house.clock.advance(17 * 60_000_000);
    assert!(running.policy.tick() && !running.policy.tick(), "once");
    assert!(running.blocks("10.0.0.4", PIXEL));
    assert_eq!(running.numbers(), (2, 1));
    let everyone = running.policy.effective(None);
    assert_eq!(everyone.level.source.to_string(), "schedule night for everyone");
    assert_eq!(everyone.next_change().map(|at| at % 86_400), Some(6 * 3_600));
    house.clock.set_by(365 * 86_400_000_000 - 12 * 3_600_000_000);
    assert!(running.policy.tick(), "a clock that jumps by a year");
    assert!(!running.blocks("10.0.0.4", PIXEL));
    house.clock.set_by(-365 * 86_400_000_000 + 12 * 3_600_000_000);
    assert!(running.policy.tick() && running.blocks("10.0.0.4", PIXEL), "and back");
    assert_eq!(running.policy.revisions().expect("read").len(), revisions);
    assert!(Arc::ptr_eq(&ruleset, &running.live.load().ruleset), "no list was compiled");
}

#[test]
fn a_schedule_that_is_on_at_start_and_at_an_edit_counts_at_once() {
    let night = "[[schedule]]\nname = \"evening\"\ntimes = [\"22:00-23:00\"]\nlevel = \"off\"\n";
    let house = House::with(night);
    let running = house.start();
    assert!(!running.blocks("10.0.0.4", PIXEL));
    house.write(&night.replace("22:00-23:00", "23:00-22:00"));
    running.policy.reload().expect("it checks");
    assert!(running.blocks("10.0.0.4", PIXEL));
}

#[test]
fn where_only_listed_names_are_answered_what_never_may_break_stays() {
    let text = "[[group]]\nname = \"Guests\"\nonly_listed = true\n[unknown]\ngroups = \
                [\"Guests\"]\n[[rule]]\naction = \"allow\"\nname = \"school.example\"\n\
                [[rule]]\naction = \"block\"\nname = \"time.apple.com\"\n"
        .to_string()
        + TV;
    let house = House::with(&text);
    let running = house.start();
    let verdict = |client, name| running.decide(client, name).verdict;
    assert_eq!(verdict("10.0.0.9", "shop.example"), Verdict::Block(Reason::NotListed));
    assert_eq!(verdict("10.0.0.4", "shop.example"), Verdict::None, "the policy names it");
    assert!(matches!(verdict("10.0.0.9", "www.school.example"), Verdict::Allow(_)));
    for open in ["captive.apple.com", "www.captive.apple.com", "ocsp.digicert.com", "pool.ntp.org"]
    {
        assert_eq!(verdict("10.0.0.9", open), Verdict::None, "{open}");
    }
    for shut in ["apps.apple.com", "apple.com", "hcaptcha.com"] {
        assert_eq!(verdict("10.0.0.9", shut), Verdict::Block(Reason::NotListed), "{shut}");
    }
    assert!(matches!(verdict("10.0.0.9", "time.apple.com"), Verdict::Block(Reason::Rule(_))));
    assert!(matches!(verdict("10.0.0.9", PIXEL), Verdict::Block(Reason::List(_))));
    running.must(Change::Pause(Scope::Everyone, SECONDS + 60));
    assert!(running.decide("10.0.0.9", "shop.example").lifted);
}
