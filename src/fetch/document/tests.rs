use super::*;
use crate::fetch::terms::BACK_OFF_FIRST;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: i64) -> Timestamp {
    later(START, SignedDuration::from_secs(seconds))
}

fn fetched(seconds: i64) -> Document<&'static str> {
    let mut document = Document::new(Terms::default());
    document.succeeded("one", at(seconds), Terms::default().life(None), 0);
    document
}

#[test]
fn a_document_that_was_never_had_is_due_at_once_and_coming() {
    let document = Document::<()>::new(Terms::default());
    assert!(document.schedule.is_due(START));
    assert_eq!(document.state(START), State::Coming);
}

#[test]
fn there_is_one_attempt_at_a_time_and_a_lost_one_is_given_up() {
    let mut document = Document::<()>::new(Terms::default());
    document.schedule.under_way(at(5));
    assert!(!document.schedule.is_due(at(4)));
    assert!(document.schedule.is_due(at(5)));
}

#[test]
fn a_document_is_refreshed_before_it_goes_stale_and_serves_meanwhile() {
    let mut document = fetched(0);
    assert!(!document.schedule.is_due(at(479)));
    assert!(document.schedule.is_due(at(480)));
    document.schedule.under_way(at(485));
    assert_eq!(document.state(at(481)), State::Usable(&"one"));
    document.succeeded("two", at(482), Terms::default().life(None), 0);
    assert_eq!(document.state(at(482)), State::Usable(&"two"));
    assert!(!document.schedule.is_due(at(483)));
}

#[test]
fn what_a_server_says_of_freshness_is_heard_within_bounds() {
    for (said, heard) in [(0, 60_i64), (120, 120), (i64::MAX, 3600), (-5, 60)] {
        let said = Some(SignedDuration::from_secs(said));
        for (random, due) in [
            (0, heard * 8 / 10),
            (heard.unsigned_abs() * 100, heard * 9 / 10),
        ] {
            let mut document = Document::new(Terms::default());
            document.succeeded((), START, Terms::default().life(said), random);
            assert!(!document.schedule.is_due(at(due - 1)), "{said:?}");
            assert!(document.schedule.is_due(at(due)), "{said:?}");
        }
    }
}

#[test]
fn the_operators_word_on_freshness_comes_before_the_servers() {
    let second = SignedDuration::from_secs;
    for (refresh, max_stale, said, heard) in [
        (Some(second(20)), Terms::MAX_STALE, Some(second(3600)), 20),
        (Some(second(20)), Terms::MAX_STALE, None, 20),
        (None, second(60), Some(second(3600)), 60),
    ] {
        let mut document = Document::new(Terms {
            refresh,
            max_stale,
            ..Terms::default()
        });
        let life = document.schedule.terms().life(said);
        document.succeeded((), START, life, 0);
        assert!(!document.schedule.is_due(at(heard * 8 / 10 - 1)));
        assert!(document.schedule.is_due(at(heard * 8 / 10)));
    }
}

#[test]
fn failures_back_off_with_jitter_up_to_a_bound() {
    let mut document = Document::<()>::new(Terms::default());
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        let mut other = Schedule {
            failures: document.schedule.failures,
            ..Schedule::new(Terms::default())
        };
        let soonest = other.failed(START, BACK_OFF_FIRST, 0);
        let latest = document
            .schedule
            .failed(START, BACK_OFF_FIRST, 1000 * expected / 2);
        let expected = i64::try_from(expected).unwrap();
        assert_eq!(
            soonest.duration_since(START),
            SignedDuration::from_millis(expected * 500)
        );
        assert_eq!(
            latest.duration_since(START),
            SignedDuration::from_millis(expected * 1000)
        );
    }
    assert!(matches!(document.state(at(1)), State::Unavailable { .. }));
    assert_eq!(document.state(at(60)), State::Coming);
}

#[test]
fn the_last_good_document_outlives_an_outage_but_not_for_ever() {
    let mut document = fetched(0);
    let day = Terms::MAX_STALE.as_secs();
    document.schedule.failed(at(day - 1), BACK_OFF_FIRST, 0);
    assert_eq!(document.state(at(day - 1)), State::Usable(&"one"));
    document.schedule.failed(at(day), BACK_OFF_FIRST, 0);
    assert!(matches!(document.state(at(day)), State::Unavailable { .. }));
}

#[test]
fn a_refresh_ahead_of_time_is_granted_once_per_cooldown() {
    let mut document = fetched(0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(30)),
        Refresh::Coming
    );
    assert!(document.schedule.is_due(at(30)));
    document.schedule.under_way(at(35));
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(31)),
        Refresh::Coming,
        "the one under way serves all who ask"
    );
    document.succeeded("two", at(32), Terms::default().life(None), 0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(59)),
        Refresh::TooSoon
    );
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(60)),
        Refresh::Coming
    );
}

#[test]
fn a_failed_refresh_ahead_of_time_is_not_repeated_by_every_stranger() {
    let mut document = fetched(0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(40)),
        Refresh::Coming
    );
    document.schedule.under_way(at(45));
    document.schedule.failed(at(41), BACK_OFF_FIRST, 0);
    assert!(matches!(
        document.schedule.hurry(Cause::UnknownKey, at(41)),
        Refresh::Unavailable { .. }
    ));
}

#[test]
fn a_refresh_that_was_granted_is_coming_for_all_who_ask_before_it_begins() {
    let mut document = fetched(0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(30)),
        Refresh::Coming
    );
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(30)),
        Refresh::Coming
    );
    document.schedule.under_way(at(36));
    document.succeeded("two", at(31), Terms::default().life(None), 0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(31)),
        Refresh::TooSoon
    );
}

#[test]
fn a_clock_that_was_set_back_prolongs_nothing() {
    let hour = 3600;
    let mut document = Document::<()>::new(Terms::default());
    document.schedule.under_way(at(hour + 6));
    assert!(document.schedule.is_due(at(0)), "an attempt");
    document.schedule.failed(at(hour), BACK_OFF_FIRST, 0);
    assert_eq!(document.state(at(0)), State::Coming, "a pause");
    assert!(document.schedule.is_due(at(0)), "a pause");
    let mut document = fetched(hour);
    assert!(document.schedule.is_due(at(0)));
    document.schedule.under_way(at(6));
    assert_eq!(document.schedule.next_event(at(0)), at(6));
    let next = document.schedule.next_event(at(hour));
    assert!(
        next > at(hour),
        "forward again, nothing is due, and nobody wakes for it"
    );
    let mut document = fetched(0);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(30)),
        Refresh::Coming
    );
    document.succeeded("two", at(31), Terms::default().life(None), 0);
    document.schedule.hurried_elsewhere(Timestamp::MAX);
    assert_eq!(
        document.schedule.hurry(Cause::UnknownKey, at(61)),
        Refresh::Coming,
        "a cooldown"
    );
}

#[test]
fn a_clock_that_was_set_back_makes_a_document_due() {
    let document = fetched(7200);
    assert!(document.schedule.is_due(at(3600)));
    assert_eq!(document.state(at(3600)), State::Usable(&"one"));
}

/// A thing of ten seconds that is no good after nine.
fn expiring(seconds: i64) -> Document<&'static str> {
    let nine = SignedDuration::from_secs(9);
    let life = Life {
        fresh_for: nine,
        serves_for: nine,
        expires: true,
    };
    let mut document = Document::new(Terms::default());
    document.succeeded("one", at(seconds), life, 0);
    document
}

#[test]
fn what_expires_is_had_anew_before_and_never_serves_after() {
    let mut document = expiring(100);
    assert!(!document.schedule.is_due(at(107)));
    assert!(document.schedule.is_due(at(108)));
    assert_eq!(document.state(at(108)), State::Usable(&"one"));
    document.schedule.failed(at(108), BACK_OFF_FIRST, u64::MAX);
    assert!(
        matches!(
            document.state(at(109)),
            State::Coming | State::Unavailable { .. }
        ),
        "an outage prolongs nothing"
    );
    assert_eq!(
        expiring(100).state(at(99)),
        State::Coming,
        "nor does a clock that was set back"
    );
}

#[test]
fn what_was_rejected_serves_no_more_and_is_had_anew() {
    let mut document = fetched(0);
    document.schedule.rejected(at(0), at(10));
    assert_eq!(document.state(at(10)), State::Coming);
    assert!(document.schedule.is_due(at(10)));
    assert_eq!(document.schedule.cause(), Cause::Rejected);
    document.succeeded("two", at(11), Terms::default().life(None), 0);
    assert_eq!(document.state(at(11)), State::Usable(&"two"));
}

#[test]
fn a_late_rejection_of_what_was_replaced_does_not_touch_its_successor() {
    let mut document = fetched(0);
    document.succeeded("two", at(10), Terms::default().life(None), 0);
    document.schedule.rejected(at(0), at(11));
    assert_eq!(document.state(at(11)), State::Usable(&"two"));
    assert!(!document.schedule.is_due(at(11)));
}

#[test]
fn what_is_rejected_all_the_time_is_had_anew_once_per_cooldown() {
    let mut document = fetched(0);
    document.schedule.rejected(at(0), at(1));
    document.succeeded("two", at(2), Terms::default().life(None), 0);
    for second in 3..31 {
        document.schedule.rejected(at(2), at(second));
        assert_eq!(document.state(at(second)), State::Usable(&"two"));
    }
    document.schedule.rejected(at(2), at(31));
    assert_eq!(document.state(at(31)), State::Coming);
}

#[test]
fn what_is_rejected_while_no_newer_one_can_be_had_goes_on_serving() {
    let mut document = fetched(0);
    document.schedule.failed(at(480), BACK_OFF_FIRST, 0);
    document.schedule.rejected(at(0), at(480));
    assert_eq!(document.state(at(480)), State::Usable(&"one"));
}

#[test]
fn what_is_rejected_serves_on_when_no_newer_one_can_be_had() {
    let mut document = fetched(0);
    document.schedule.rejected(at(0), at(10));
    document.schedule.failed(at(11), BACK_OFF_FIRST, 0);
    assert_eq!(document.state(at(11)), State::Usable(&"one"));
    document.schedule.rejected(at(0), at(12));
    assert_eq!(
        document.state(at(12)),
        State::Usable(&"one"),
        "a moment later"
    );
}
