//! Delegates that misbehave: each is stopped, named, and disturbs nobody.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Fake, call, hostile, limit, limits, mode_of, prepare, result, run, sandbox, trap, world};
use mandate_wasm::{CancellationToken, Commands, Limits, Outcome};
use serde_json::json;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn trap_is_named() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    assert!(trap(&hostile(&delegate, "trap", 0, limits()).await).contains("unreachable"));
}

#[tokio::test]
async fn panic_is_reported_in_its_own_words() {
    let (delegate, fake) = (prepare(&sandbox(), "test_hostile").await, Fake::ok());
    let returned = run(&delegate, &mode_of("panic", 0), limits(), &fake).await;
    let message = trap(&returned);
    assert!(message.contains("the delegate's own words") && message.contains("lib.rs"), "{message}");
    assert!(fake.log.lock().unwrap().iter().any(|(_, line)| line.contains("the delegate's own words")));
}

#[tokio::test]
async fn exit_is_a_trap() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    for (status, says) in [(0, "status 0"), (3, "status 1")] {
        let returned = hostile(&delegate, "exit", status, limits()).await;
        assert!(trap(&returned).contains(says), "{returned:?}");
    }
}

#[tokio::test]
async fn endless_loop_exceeds_cpu() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let limits = Limits { cpu: Duration::from_millis(50), ..limits() };
    let returned = hostile(&delegate, "spin", 0, limits).await;
    assert_eq!(limit(&returned).0, "cpu");
    assert!(returned.stats.cpu >= Duration::from_millis(50), "{returned:?}");
}

#[tokio::test]
async fn endless_loop_exceeds_wall_if_that_is_shorter() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let limits = Limits { wall: Duration::from_millis(50), ..limits() };
    assert_eq!(limit(&hostile(&delegate, "spin", 0, limits).await).0, "wall");
}

#[tokio::test]
async fn endless_recursion_traps() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let message = trap(&hostile(&delegate, "recursion", 0, limits()).await).to_owned();
    // Rust guests keep their stack in memory and run out of that, or of the engine's, whichever is smaller.
    assert!(message.contains("stack") || message.contains("out of bounds"), "{message}");
}

#[tokio::test]
async fn memory_hog_exceeds_memory_and_not_a_bare_trap() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let limits = Limits { memory: 16 * MIB, ..limits() };
    let returned = hostile(&delegate, "memory", 1024 * MIB, limits.clone()).await;
    assert_eq!(limit(&returned).0, "memory");
    assert!(returned.stats.peak_memory <= 16 * MIB, "{returned:?}");
    // Within the limit it is nobody's business.
    assert_eq!(result(&hostile(&delegate, "memory", 8 * MIB, limits).await), json!({}));
}

#[tokio::test]
async fn memory_that_is_too_small_to_start_is_named_too() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let limits = Limits { memory: 64 * 1024, ..limits() };
    assert_eq!(limit(&hostile(&delegate, "count", 0, limits).await).0, "memory");
}

#[tokio::test]
async fn huge_result_exceeds_output_and_is_not_copied() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let roomy = Limits { memory: 512 * MIB, ..limits() };
    for mode in ["output", "message"] {
        let returned = hostile(&delegate, mode, 100 * MIB, roomy.clone()).await;
        assert_eq!(limit(&returned).0, "output", "{mode}: {returned:?}");
        // A little too large is copied and refused with its size.
        let returned = hostile(&delegate, mode, roomy.output + 1, roomy.clone()).await;
        assert_eq!(limit(&returned).0, "output", "{mode}");
    }
    let largest = roomy.output - r#"{"big":""}"#.len() as u64;
    assert!(matches!(hostile(&delegate, "output", largest, roomy).await.outcome, Outcome::Result(_)));
}

#[tokio::test]
async fn long_message_within_the_output_is_cut() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let Outcome::Technical { message, .. } = hostile(&delegate, "message", 100_000, limits()).await.outcome else {
        panic!("not a technical failure");
    };
    assert!(message.len() < 4200 && message.ends_with('…'), "{}", message.len());
}

#[tokio::test]
async fn ten_thousand_commands_are_one_hundred() {
    let (delegate, fake) = (prepare(&sandbox(), "test_hostile").await, Fake::ok());
    let returned = run(&delegate, &mode_of("commands", 10_000), limits(), &fake).await;
    assert_eq!(limit(&returned).0, "commands");
    assert_eq!((fake.names().len(), returned.stats.commands), (100, 100));
    // Not caring about refusals does not help: the guest is gone at the first one too many.
    let returned = run(&delegate, &mode_of("swallow", 10_000), limits(), &fake).await;
    assert_eq!(limit(&returned).0, "commands");
}

#[tokio::test]
async fn huge_command_body_is_never_issued() {
    let (delegate, fake) = (prepare(&sandbox(), "test_hostile").await, Fake::ok());
    let roomy = Limits { memory: 512 * MIB, ..limits() };
    let returned = run(&delegate, &mode_of("body", roomy.command_body), roomy.clone(), &fake).await;
    assert_eq!(limit(&returned).0, "command-body");
    let returned = run(&delegate, &mode_of("body", 100 * MIB), roomy, &fake).await;
    assert_eq!(limit(&returned).0, "hostcall");
    assert!(fake.names().is_empty());
}

#[tokio::test]
async fn huge_input_is_never_handed_in() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let limits = Limits { input: 20, ..limits() };
    let returned = hostile(&delegate, "count", 1, limits).await;
    assert_eq!(limit(&returned).0, "input");
    assert_eq!(returned.stats.peak_memory, 0);
}

#[tokio::test]
async fn endless_log_exceeds_log_lines() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    for mode in ["log", "print"] {
        let fake = Fake::ok();
        let returned = run(&delegate, &mode_of(mode, 1_000_000), limits(), &fake).await;
        assert_eq!(limit(&returned).0, "log-lines", "{mode}");
        assert_eq!(fake.log.lock().unwrap().len(), 200, "{mode}");
    }
}

#[tokio::test]
async fn long_log_line_is_cut() {
    let (delegate, fake) = (prepare(&sandbox(), "test_hostile").await, Fake::ok());
    assert_eq!(result(&run(&delegate, &mode_of("long-line", 20_000), limits(), &fake).await), json!({}));
    let log = fake.log.lock().unwrap();
    assert!(log[0].1.len() < 4200 && log[0].1.ends_with('…'), "{}", log[0].1.len());
}

#[tokio::test]
async fn sleeper_exceeds_wall_and_costs_no_cpu() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let impatient = Limits { wall: Duration::from_millis(50), cpu: Duration::from_millis(40), ..limits() };
    assert_eq!(limit(&hostile(&delegate, "sleep", 3_600_000, impatient).await).0, "wall");
    // A short sleep is over when it is over, and was not CPU time.
    let limits = Limits { cpu: Duration::from_millis(40), ..limits() };
    let returned = hostile(&delegate, "sleep", 60, limits).await;
    assert_eq!(result(&returned), json!({}));
    assert!(returned.stats.wall >= Duration::from_millis(60), "{returned:?}");
}

#[tokio::test]
async fn hoard_of_timers_exceeds_handles() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    assert_eq!(result(&hostile(&delegate, "handles", 500, limits()).await), json!({}));
    assert_eq!(limit(&hostile(&delegate, "handles", 1_000_000, limits()).await).0, "handles");
}

#[tokio::test]
async fn host_makes_no_mountain_of_random_bytes() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    assert_eq!(result(&hostile(&delegate, "random", 1000, limits()).await), json!({ "bytes": 1000 }));
    let returned = hostile(&delegate, "random", 1024 * MIB, limits()).await;
    assert!(trap(&returned).contains("exceeds limit"), "{returned:?}");
}

#[tokio::test]
async fn two_that_spin_leave_the_others_their_pace() {
    let sandbox = sandbox();
    let (spinner, good) = (prepare(&sandbox, "test_hostile").await, prepare(&sandbox, "test_echo").await);
    let stop = CancellationToken::new();
    // As many as there are guest threads. Only the test ends them.
    let forever = Limits { cpu: Duration::from_hours(1), wall: Duration::from_hours(1), ..limits() };
    let spinning: Vec<_> = (0..2)
        .map(|_| {
            let (spinner, forever, stop) = (spinner.clone(), forever.clone(), stop.clone());
            let commands = Fake::ok() as Arc<dyn Commands>;
            tokio::spawn(async move { spinner.call(call(), mode_of("command-then-spin", 0), world(), forever, commands, stop).await })
        })
        .collect();
    for _ in 0..50 {
        let returned = run(&good, r#"{"orderId":"17"}"#, limits(), &Fake::ok()).await;
        assert!(matches!(returned.outcome, Outcome::Result(_)), "{returned:?}");
    }
    assert!(spinning.iter().all(|spinning| !spinning.is_finished()));
    stop.cancel();
    for spinning in spinning {
        let returned = spinning.await.unwrap();
        assert_eq!(returned.outcome, Outcome::Cancelled);
        assert!(returned.stats.cpu > Duration::from_millis(5), "it did not spin: {returned:?}");
    }
}

#[tokio::test]
async fn many_calls_at_once_all_come_back() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let calls: Vec<_> = (0..300)
        .map(|n| {
            let delegate = delegate.clone();
            tokio::spawn(async move { run(&delegate, &format!(r#"{{"orderId":"{n}"}}"#), limits(), &Fake::ok()).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(result(&call.await.unwrap())["orderId"], n.to_string());
    }
}
