//! Compiling in a child process. The child is this test binary itself: with its first argument it becomes the compiler, as the
//! host's binary does.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{Fake, config, digest, guest, limits, result, run};
use mandate_wasm::{COMPILE_COMMAND, Compiler, Config, Error, Sandbox, compile_child_main};
use tempfile::TempDir;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE_COMMAND) {
        return compile_child_main();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().nth(1).as_deref() == Some(REPLACED) {
        runtime.block_on(compile_as_a_replaced_program());
        return ExitCode::SUCCESS;
    }
    runtime.block_on(async {
        code_from_a_child_is_callable().await;
        child_that_cannot_compile_says_why().await;
        child_that_dies_or_is_not_there_says_so().await;
        child_that_fails_is_run_once_for_all_who_wait().await;
        code_of_another_compiler_is_not_the_components_fault().await;
    });
    child_limits_itself_before_it_reads();
    program_whose_file_was_replaced_still_compiles();
    println!("compiling in a child process: ok");
    ExitCode::SUCCESS
}

fn sandbox(dir: &TempDir, exe: &str) -> Sandbox {
    Sandbox::new(Config { compiler: Compiler::Child { exe: exe.into() }, ..config(dir) }).unwrap()
}

fn own_binary() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

async fn code_from_a_child_is_callable() {
    let dir = TempDir::new().unwrap();
    let (sandbox, bytes) = (sandbox(&dir, &own_binary()), guest("test_echo"));
    let delegate = sandbox.prepare(&digest(&bytes), &bytes).await.unwrap();
    let returned = run(&delegate, r#"{"orderId":"17","amounts":[1,2]}"#, limits(), &Fake::ok()).await;
    assert_eq!(result(&returned)["total"], 3.0);
}

async fn child_that_cannot_compile_says_why() {
    let dir = TempDir::new().unwrap();
    let bytes = garbled();
    match sandbox(&dir, &own_binary()).prepare(&digest(&bytes), &bytes).await {
        // Refused before a child is ever started.
        Err(Error::Misfit(misfit)) => assert!(misfit.to_string().contains("damaged"), "{misfit}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

async fn child_that_dies_or_is_not_there_says_so() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    for (exe, says) in [("/bin/false", "limits"), ("/nonexistent/mandate", "No such file")] {
        match sandbox(&dir, exe).prepare(&digest(&bytes), &bytes).await {
            Err(Error::Compiler(message) | Error::CompilerDied(message)) => assert!(message.contains(says), "{message}"),
            other => panic!("{exe}: {:?}", other.map(|_| "compiled")),
        }
    }
}

/// Those who ask at once share an answer; whoever asks later may have better luck.
async fn child_that_fails_is_run_once_for_all_who_wait() {
    let dir = TempDir::new().unwrap();
    let (script, runs) = (dir.path().join("compiler"), dir.path().join("runs"));
    std::fs::write(&script, format!("#!/bin/sh\necho run >> '{}'\nexit 1\n", runs.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (sandbox, bytes) = (sandbox(&dir, script.to_str().unwrap()), guest("test_echo"));
    let digest = digest(&bytes);
    for round in 1..3 {
        let ask = || sandbox.prepare(&digest, &bytes);
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert!([first, second, third].iter().all(|prepared| matches!(prepared, Err(Error::CompilerDied(_)))));
        assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), round);
    }
}

/// As if the file had been replaced by another version's: it answers with something that is no code of this engine.
async fn code_of_another_compiler_is_not_the_components_fault() {
    let dir = TempDir::new().unwrap();
    let script = dir.path().join("compiler");
    std::fs::write(&script, "#!/bin/sh\necho other code\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let bytes = guest("test_echo");
    match sandbox(&dir, script.to_str().unwrap()).prepare(&digest(&bytes), &bytes).await {
        Err(error @ Error::Foreign(_)) => assert!(error.is_the_hosts() && error.to_string().contains("version"), "{error}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

/// The first argument of a copy of this program that is to compile after its file was replaced.
const REPLACED: &str = "replaced";

fn program_whose_file_was_replaced_still_compiles() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("program");
    std::fs::copy(own_binary(), &copy).unwrap();
    assert!(Command::new(&copy).arg(REPLACED).status().unwrap().success());
}

/// As a package manager does it: the new file takes the name, and the old one is gone.
async fn compile_as_a_replaced_program() {
    let own = PathBuf::from(own_binary());
    let other = own.with_file_name("other");
    std::fs::write(&other, "#!/bin/sh\necho other code\n").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o700)).unwrap();
    let dir = TempDir::new().unwrap();
    let before = Sandbox::new(Config { compiler: Compiler::this_program().unwrap(), ..config(&dir) }).unwrap();
    std::fs::rename(other, own).unwrap();
    let bytes = guest("test_echo");
    before.prepare(&digest(&bytes), &bytes).await.unwrap();
}

/// The component comes through the pipe that this test holds open, so what is seen was done before any of it was read.
fn child_limits_itself_before_it_reads() {
    let mut child = Command::new(own_binary()).arg(COMPILE_COMMAND).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let proc = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    let limited = || {
        let limits = proc("limits");
        let at_most = |what: &str, most: &str| limits.lines().any(|line| line.starts_with(what) && line.contains(most));
        at_most("Max address space", "4294967296") && at_most("Max cpu time", "240") && at_most("Max core file size", "0 ")
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while !limited() {
        assert!(Instant::now() < deadline, "the compiler is not limited:\n{}", proc("limits"));
        std::thread::yield_now();
    }
    let stat = proc("stat");
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success(), "nothing is no component");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    assert_eq!(niceness(&stat), Some((niceness(&own).unwrap() + 10).min(19)), "{stat}");
}

/// From `/proc/PID/stat`: the name, which may have blanks, ends with the last parenthesis; niceness is the 17th field behind it.
fn niceness(stat: &str) -> Option<i64> {
    stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()
}

/// A component with a byte of its code changed so that it is no longer valid.
fn garbled() -> Vec<u8> {
    let mut bytes = guest("test_echo");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    bytes
}
