//! Delegates that behave, and what the sandbox promises them.

mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use common::{Fake, call, config, digest, guest, hostile, limit, limits, mode_of, prepare, result, run, sandbox, world};
use mandate_wasm::{
    CancellationToken, Command, CommandError, Commands, Config, Error, Level, Limits, Outcome, Retry, Returned, Sandbox, World,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};

#[tokio::test]
async fn delegate_gets_its_call_and_issues_its_command() {
    let (delegate, fake) = (prepare(&sandbox(), "test_echo").await, Fake::ok());
    let returned = run(&delegate, r#"{"orderId":"17","amounts":[1.5,2]}"#, limits(), &fake).await;
    let expected = json!({ "orderId": "17", "total": 3.5, "reply": { "valid": true }, "businessKey": "order-17", "attempt": 2 });
    assert_eq!(result(&returned), expected);
    let command = Command { name: "orders.validate@1".into(), body: r#"{"orderId":"17"}"#.into(), key: None };
    assert_eq!(*fake.issued.lock().unwrap(), [command]);
    assert_eq!(*fake.log.lock().unwrap(), [(Level::Info, "validated".to_owned())]);
    let stats = returned.stats;
    assert_eq!(stats.commands, 1);
    assert!(stats.cpu > Duration::ZERO && stats.cpu < limits().cpu, "{stats:?}");
    assert!(stats.peak_memory >= 1024 * 1024 && stats.peak_memory <= limits().memory, "{stats:?}");
}

#[tokio::test]
async fn every_answer_to_a_command_reaches_the_delegate() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let rejected = CommandError::Rejected { code: "NO".into(), message: "no".into(), reply: "{}".into() };
    let technical = |message: &str, code: &str, retry| Outcome::Technical { message: message.into(), code: Some(code.into()), retry };
    for (error, expected) in [
        (rejected, Outcome::BpmnError { code: "NO".into(), message: "no".into(), variables: "{}".into() }),
        (CommandError::Unavailable("a".into()), technical("a", "COMMAND_UNAVAILABLE", Retry::ByPolicy)),
        (CommandError::Unknown("b".into()), technical("b", "COMMAND_UNKNOWN", Retry::ByPolicy)),
        (CommandError::Refused("c".into()), technical("c", "COMMAND_REFUSED", Retry::Never)),
        (CommandError::Abort, Outcome::Aborted),
    ] {
        let returned = run(&delegate, r#"{"orderId":"17"}"#, limits(), &Fake::answering(Err(error))).await;
        assert_eq!(returned.outcome, expected);
    }
}

#[tokio::test]
async fn delegate_does_not_go_on_when_its_command_panics() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let fake = Fake::with(|_| Box::pin(async { panic!("a bug of the host") }));
    let returned = run(&delegate, r#"{"orderId":"17"}"#, limits(), &fake).await;
    assert_eq!(returned.outcome, Outcome::Aborted);
}

#[tokio::test]
async fn every_way_to_end_comes_through() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let bpmn = hostile(&delegate, "bpmn", 0, limits()).await;
    let variables = r#"{"why":"because"}"#.to_owned();
    assert_eq!(bpmn.outcome, Outcome::BpmnError { code: "REJECTED".into(), message: "no".into(), variables });
    let never = hostile(&delegate, "never", 0, limits()).await;
    let code = Some("BROKEN".to_owned());
    assert_eq!(never.outcome, Outcome::Technical { message: "broken".into(), code, retry: Retry::Never });
    let later = hostile(&delegate, "later", 0, limits()).await;
    let retry = Retry::AfterMs(1500);
    assert_eq!(later.outcome, Outcome::Technical { message: "busy".into(), code: None, retry });
}

#[tokio::test]
async fn nothing_is_kept_from_call_to_call() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    for _ in 0..3 {
        assert_eq!(result(&hostile(&delegate, "count", 0, limits()).await), json!({ "calls": 1 }));
    }
    // Nor from a call that went wrong in between, through the pool.
    hostile(&delegate, "trap", 0, limits()).await;
    assert_eq!(result(&hostile(&delegate, "count", 0, limits()).await), json!({ "calls": 1 }));
}

#[tokio::test]
async fn world_is_empty_and_the_same_on_every_retry() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let seen = async |world: World| {
        let commands = Fake::ok() as Arc<dyn Commands>;
        let cancel = CancellationToken::new();
        result(&delegate.call(call(), mode_of("world", 0), world, limits(), commands, cancel).await)
    };
    let first = seen(world()).await;
    assert_eq!(first["wall"], 1_700_000_000_000_u64);
    assert_eq!((&first["environment"], &first["arguments"]), (&json!(0), &json!(0)));
    assert_ne!(first["root"], "readable");
    assert_eq!(first["stdin"], "");
    let again = seen(world()).await;
    assert_eq!((&first["random"], &first["wall"]), (&again["random"], &again["wall"]));
    let other = seen(World { seed: [8; 32], ..world() }).await;
    assert_ne!(first["random"], other["random"]);
    let before_1970 = seen(World { wall_clock_ms: -5, ..world() }).await;
    assert_eq!(before_1970["wall"], 0);
}

#[tokio::test]
async fn output_streams_go_to_the_log() {
    let (delegate, fake) = (prepare(&sandbox(), "test_hostile").await, Fake::ok());
    run(&delegate, &mode_of("print", 2), limits(), &fake).await;
    let expected = [(Level::Info, "printed 0".to_owned()), (Level::Info, "printed 1".to_owned())];
    assert_eq!(*fake.log.lock().unwrap(), expected);
}

/// A command that is sent for as long as the test likes.
struct Slow {
    /// Told when a command has left.
    sent: Notify,
    /// Lets it come back.
    answer: Notify,
    ended: AtomicU32,
}

fn slow() -> (Arc<Slow>, Arc<Fake>) {
    let slow = Arc::new(Slow { sent: Notify::new(), answer: Notify::new(), ended: AtomicU32::new(0) });
    let shared = Arc::clone(&slow);
    let fake = Fake::with(move |_| {
        let slow = Arc::clone(&shared);
        Box::pin(async move {
            slow.sent.notify_one();
            slow.answer.notified().await;
            slow.ended.fetch_add(1, Ordering::SeqCst);
            Ok("{}".into())
        })
    });
    (slow, fake)
}

#[tokio::test]
async fn cancelled_call_waits_for_its_command_but_not_for_its_guest() {
    let delegate = prepare(&sandbox(), "test_hostile").await;
    let (slow, fake) = slow();
    let cancel = CancellationToken::new();
    let commands = Arc::clone(&fake) as Arc<dyn Commands>;
    let (variables, token) = (mode_of("command-then-spin", 0), cancel.clone());
    let call = tokio::spawn(async move { delegate.call(call(), variables, world(), limits(), commands, token).await });
    slow.sent.notified().await;
    cancel.cancel();
    slow.answer.notify_one();
    let returned = call.await.unwrap();
    assert_eq!((returned.outcome, slow.ended.load(Ordering::SeqCst)), (Outcome::Cancelled, 1));
}

#[tokio::test]
async fn dropped_call_does_not_tear_its_command_apart() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let (slow, fake) = slow();
    let commands = Arc::clone(&fake);
    let call = tokio::spawn(async move { run(&delegate, r#"{"orderId":"17"}"#, limits(), &commands).await });
    slow.sent.notified().await;
    let gone = fake.gone.lock().unwrap().clone();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    gone.cancelled().await;
    slow.answer.notify_one();
    while slow.ended.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn waiting_for_a_command_is_wall_time_and_not_cpu() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let fake = Fake::with(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok("{}".into())
        })
    });
    // Half of what the wait takes.
    let limits = Limits { cpu: Duration::from_millis(30), ..limits() };
    let returned = run(&delegate, r#"{"orderId":"17"}"#, limits, &fake).await;
    assert!(matches!(returned.outcome, Outcome::Result(_)), "{returned:?}");
    assert!(returned.stats.wall >= Duration::from_millis(60), "{returned:?}");
}

#[tokio::test]
async fn wall_limit_ends_a_call_whose_command_hangs() {
    let delegate = prepare(&sandbox(), "test_echo").await;
    let (slow, fake) = slow();
    let limits = Limits { wall: Duration::from_millis(50), ..limits() };
    let commands = Arc::clone(&fake);
    let call = tokio::spawn(async move { run(&delegate, r#"{"orderId":"17"}"#, limits, &commands).await });
    slow.sent.notified().await;
    // The guest holds its commands until it is gone.
    let holders = Arc::strong_count(&fake);
    while Arc::strong_count(&fake) == holders {
        tokio::task::yield_now().await;
    }
    slow.answer.notify_one();
    let returned = call.await.unwrap();
    let (name, message) = limit(&returned);
    assert_eq!(name, "wall");
    assert!(message.contains("waiting for a command"), "{message}");
    assert_eq!(slow.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn call_beyond_the_memory_budget_waits_for_its_place() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(Config { memory_budget: 64 << 20, ..config(&dir) }).unwrap();
    let delegate = prepare(&sandbox, "test_echo").await;
    let (slow, fake) = slow();
    let limits = Limits { memory: 64 << 20, ..limits() };
    let first = {
        let (delegate, limits) = (delegate.clone(), limits.clone());
        tokio::spawn(async move { run(&delegate, r#"{"orderId":"1"}"#, limits, &fake).await })
    };
    slow.sent.notified().await;
    let (started, second) = (Arc::new(AtomicBool::new(false)), Fake::ok());
    let waiting = {
        let (delegate, limits, second, started) = (delegate.clone(), limits.clone(), Arc::clone(&second), Arc::clone(&started));
        tokio::spawn(async move {
            started.store(true, Ordering::SeqCst);
            run(&delegate, r#"{"orderId":"2"}"#, limits, &second).await
        })
    };
    while !started.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    // Cancelling a call that waits for a place ends it at once.
    let cancel = CancellationToken::new();
    cancel.cancel();
    let commands = Fake::ok() as Arc<dyn Commands>;
    let refused = delegate.call(call(), r#"{"orderId":"3"}"#.into(), world(), limits, commands, cancel).await;
    assert_eq!(refused.outcome, Outcome::Cancelled);
    assert!(second.names().is_empty(), "the second call ran although there was no place for it");
    slow.answer.notify_one();
    assert!(matches!(first.await.unwrap().outcome, Outcome::Result(_)));
    assert!(matches!(waiting.await.unwrap().outcome, Outcome::Result(_)));
}

#[tokio::test]
async fn guest_that_is_stopped_gives_its_memory_back_before_its_command_ends() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(Config { memory_budget: 64 << 20, ..config(&dir) }).unwrap();
    let delegate = prepare(&sandbox, "test_echo").await;
    for by in ["wall", "cancel"] {
        let (slow, fake) = slow();
        let (cancel, variables) = (CancellationToken::new(), r#"{"orderId":"1"}"#);
        let wall = if by == "wall" { Duration::from_millis(50) } else { limits().wall };
        let stopped = {
            let (delegate, cancel, commands) = (delegate.clone(), cancel.clone(), Arc::clone(&fake) as Arc<dyn Commands>);
            let limits = Limits { memory: 64 << 20, wall, ..limits() };
            tokio::spawn(async move { delegate.call(call(), variables.into(), world(), limits, commands, cancel).await })
        };
        slow.sent.notified().await;
        let gone = fake.gone.lock().unwrap().clone();
        if by == "cancel" {
            cancel.cancel();
        }
        gone.cancelled().await;
        // The whole budget, while the command of the first is still under way.
        let second = run(&delegate, variables, Limits { memory: 64 << 20, ..limits() }, &Fake::ok()).await;
        assert!(matches!(second.outcome, Outcome::Result(_)), "{by}: {second:?}");
        assert!(!stopped.is_finished(), "{by}: it is awaited");
        slow.answer.notify_one();
        let outcome = stopped.await.unwrap().outcome;
        assert!(matches!(outcome, Outcome::Cancelled | Outcome::LimitExceeded { limit: "wall", .. }), "{by}: {outcome:?}");
    }
}

#[tokio::test]
async fn sandbox_can_be_dropped_on_an_async_thread_with_a_call_under_way() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(config(&dir)).unwrap();
    let delegate = prepare(&sandbox, "test_echo").await;
    let (sent, left) = oneshot::channel();
    let sent = std::sync::Mutex::new(Some(sent));
    let fake = Fake::with(move |_| {
        sent.lock().unwrap().take().map(|sent| sent.send(()));
        Box::pin(pending())
    });
    let call = tokio::spawn(async move { run(&delegate, r#"{"orderId":"17"}"#, limits(), &fake).await });
    left.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(sandbox);
}

#[tokio::test]
async fn component_is_compiled_once_and_found_again() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    let digest = digest(&bytes);
    let first = Sandbox::new(config(&dir)).unwrap();
    assert!(first.loaded(&digest).is_none());
    let both = tokio::join!(first.prepare(&digest, &bytes), first.prepare(&digest, &bytes));
    assert_eq!((both.0.unwrap().digest(), both.1.unwrap().digest()), (digest.as_str(), digest.as_str()));
    assert!(first.loaded(&digest).is_some());
    let (file, written) = code_file(&dir);
    // Another host process with the same directory takes what is there.
    let second = Sandbox::new(config(&dir)).unwrap();
    assert_works(&second, &digest, &bytes).await;
    assert_eq!(code_file(&dir), (file, written));
}

#[tokio::test]
async fn code_that_this_host_did_not_write_is_never_trusted() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    let digest = digest(&bytes);
    assert_works(&Sandbox::new(config(&dir)).unwrap(), &digest, &bytes).await;
    let (file, _) = code_file(&dir);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [flipped, good[..good.len() / 2].to_vec(), good[32..].to_vec(), Vec::new()] {
        std::fs::write(&file, &bad).unwrap();
        assert_works(&Sandbox::new(config(&dir)).unwrap(), &digest, &bytes).await;
        assert_eq!(std::fs::read(&file).unwrap().len(), good.len(), "it was not compiled again");
    }
    // Code under the name of another component does not verify either.
    let other = guest("test_hostile");
    let other_digest = common::digest(&other);
    let name = file.file_name().unwrap().to_str().unwrap().replace(&digest, &other_digest);
    std::fs::copy(&file, file.with_file_name(name)).unwrap();
    let sandbox = Sandbox::new(config(&dir)).unwrap();
    let delegate = sandbox.prepare(&other_digest, &other).await.unwrap();
    assert_eq!(result(&hostile(&delegate, "count", 0, limits()).await), json!({ "calls": 1 }));
    // Nor does anything under another key.
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let foreign = Sandbox::new(Config { cache_key: Some([1; 32]), ..config(&dir) }).unwrap();
    assert_works(&foreign, &digest, &bytes).await;
    assert_ne!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
}

#[tokio::test]
async fn cache_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    assert_works(&Sandbox::new(config(&dir)).unwrap(), &digest(&bytes), &bytes).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (file, _) = code_file(&dir);
    assert_eq!((mode(&dir.path().join("code")), mode(&dir.path().join("code/key")), mode(&file)), (0o700, 0o600, 0o600));
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_digest_are_refused() {
    let dir = TempDir::new().unwrap();
    let error = Sandbox::new(config(&dir)).unwrap().prepare(&"0".repeat(64), &guest("test_echo")).await.err();
    assert!(matches!(error, Some(Error::Digest { .. })), "{error:?}");
}

fn code_file(dir: &TempDir) -> (std::path::PathBuf, Vec<u8>) {
    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("code")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cwasm"));
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = std::fs::read(&files[0]).unwrap();
    (files.remove(0), bytes)
}

async fn assert_works(sandbox: &Sandbox, digest: &str, bytes: &[u8]) {
    let delegate = sandbox.prepare(digest, bytes).await.unwrap();
    let returned: Returned = run(&delegate, r#"{"orderId":"17"}"#, limits(), &Fake::ok()).await;
    assert_eq!(result(&returned)["orderId"], "17");
}
