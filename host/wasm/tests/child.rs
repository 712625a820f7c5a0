//! Compiling in a child process. The child is this test binary itself: with its first argument it becomes the compiler, as the
//! host's binary does.

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{Fake, config, digest, guest, limits, result, run};
use mandate_wasm::{COMPILE_COMMAND, Compiler, Config, Error, Sandbox, compile_child_main};
use tempfile::TempDir;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE_COMMAND) {
        return compile_child_main();
    }
    if std::env::args().nth(1).as_deref() == Some(KILLED) {
        begin_to_compile();
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().nth(1).as_deref() == Some(REPLACED) {
        runtime.block_on(compile_as_a_replaced_program());
        return ExitCode::SUCCESS;
    }
    runtime.block_on(async {
        code_from_a_child_is_callable().await;
        child_that_cannot_compile_says_why().await;
        child_that_is_not_there_says_so().await;
        how_the_child_ends_says_whose_fault_it_is().await;
        threads_that_cannot_be_had_are_not_the_components_fault().await;
        child_that_says_much_does_not_stand_still().await;
        child_is_in_a_group_of_its_own().await;
        child_that_fails_is_run_once_for_all_who_wait().await;
        code_of_another_compiler_is_not_the_components_fault().await;
    });
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    paused.block_on(child_that_comes_to_no_end_is_not_the_components_fault());
    child_limits_itself_before_it_reads();
    child_ends_with_its_host();
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

async fn child_that_is_not_there_says_so() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    match sandbox(&dir, "/nonexistent/mandate").prepare(&digest(&bytes), &bytes).await {
        Err(Error::Compiler(message)) => assert!(message.contains("No such file"), "{message}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

/// A compiler that does this.
fn script(dir: &Path, does: &str) -> String {
    let path = dir.join("compiler");
    std::fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn how_the_child_ends_says_whose_fault_it_is() {
    let bytes = guest("test_echo");
    // It could not limit itself or be run; somebody has stopped it, also where tests were started to ignore that; the machine has no memory
    // left.
    let hosts = [
        "exit 1",
        "exit 126",
        "exit 127",
        "kill -s TERM $$",
        "exec env --default-signal sh -c 'kill -s INT $$'",
        "exec env --default-signal sh -c 'kill -s HUP $$'",
        "kill -s KILL $$",
    ];
    // It refuses; it panics; it has no memory left of its own; its stack has run over; its CPU time is over.
    let components = ["exit 3", "exit 101", "kill -s ABRT $$", "kill -s SEGV $$", "kill -s XCPU $$"];
    let all = hosts.map(|does| (does, true)).into_iter().chain(components.map(|does| (does, false)));
    for (does, is_the_hosts) in all {
        let dir = TempDir::new().unwrap();
        let exe = script(dir.path(), &format!("ulimit -c 0; echo said so >&2; {does}"));
        match sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await {
            Err(error) => assert!(error.is_the_hosts() == is_the_hosts && error.to_string().contains("said so"), "{does}: {error}"),
            Ok(_) => panic!("{does}: compiled"),
        }
    }
}

/// As on a machine that is busy with others: each thread wants a larger stack than the compiler's address space.
async fn threads_that_cannot_be_had_are_not_the_components_fault() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    let exe = script(dir.path(), &format!("export RUST_MIN_STACK=8589934592; exec '{}' {COMPILE_COMMAND}", own_binary()));
    match sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await {
        Err(error @ Error::Compiler(_)) => assert!(error.is_the_hosts() && error.to_string().contains("threads"), "{error}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

/// It says more than is kept and than its pipe holds, and is heard to the end.
async fn child_that_says_much_does_not_stand_still() {
    let dir = TempDir::new().unwrap();
    let (bytes, exe) = (guest("test_echo"), script(dir.path(), "echo said so >&2; head -c 1000000 /dev/zero >&2; exit 3"));
    match sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await {
        Err(Error::Compile(message)) => assert!(message.contains("said so") && message.len() <= 16 * 1024, "{} bytes", message.len()),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

/// So that what a terminal sends to the host's group does not end it.
async fn child_is_in_a_group_of_its_own() {
    let dir = TempDir::new().unwrap();
    let (bytes, stat) = (guest("test_echo"), dir.path().join("stat"));
    let exe = script(dir.path(), &format!("read -r stat < /proc/$$/stat; echo \"$stat\" > '{}'; exit 1", stat.display()));
    assert!(sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await.is_err());
    let stat = std::fs::read_to_string(stat).unwrap();
    assert_eq!(stat.split_whitespace().next(), field(&stat, 2), "it leads its group: {stat}");
}

/// Its CPU time would be over if it had got any: the machine is busy.
async fn child_that_comes_to_no_end_is_not_the_components_fault() {
    let dir = TempDir::new().unwrap();
    let (bytes, exe) = (guest("test_echo"), script(dir.path(), "exec sleep 600"));
    match sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await {
        Err(error @ Error::Compiler(_)) => assert!(error.is_the_hosts() && error.to_string().contains("busy"), "{error}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

/// Those who ask at once share an answer; whoever asks later may have better luck.
async fn child_that_fails_is_run_once_for_all_who_wait() {
    let dir = TempDir::new().unwrap();
    let runs = dir.path().join("runs");
    let exe = script(dir.path(), &format!("echo run >> '{}'; exit 1", runs.display()));
    let (sandbox, bytes) = (sandbox(&dir, &exe), guest("test_echo"));
    let digest = digest(&bytes);
    for round in 1..3 {
        let ask = || sandbox.prepare(&digest, &bytes);
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert!([first, second, third].iter().all(|prepared| matches!(prepared, Err(Error::Compiler(_)))));
        assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), round);
    }
}

/// As if the file had been replaced by another version's: it answers with something that is no code of this engine.
async fn code_of_another_compiler_is_not_the_components_fault() {
    let dir = TempDir::new().unwrap();
    let (bytes, exe) = (guest("test_echo"), script(dir.path(), "echo other code"));
    match sandbox(&dir, &exe).prepare(&digest(&bytes), &bytes).await {
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
    wait_until_limited(child.id());
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success(), "nothing is no component");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    assert_eq!(niceness(&stat), Some((niceness(&own).unwrap() + 10).min(19)), "{stat}");
}

/// How long a test waits for a process.
const PATIENCE: Duration = Duration::from_mins(1);

fn wait_until_limited(child: u32) {
    let limits = || std::fs::read_to_string(format!("/proc/{child}/limits")).unwrap_or_default();
    let limited = || {
        let limits = limits();
        let at_most = |what: &str, most: &[&str]| {
            let mut lines = limits.lines().filter_map(|line| line.strip_prefix(what));
            lines.any(|line| line.split_whitespace().take(most.len()).eq(most.iter().copied()))
        };
        at_most("Max address space", &["4294967296", "4294967296"])
            && at_most("Max cpu time", &["120", "125"])
            && at_most("Max core file size", &["0", "0"])
    };
    let deadline = Instant::now() + PATIENCE;
    while !limited() {
        assert!(Instant::now() < deadline, "the compiler is not limited:\n{}", limits());
        std::thread::yield_now();
    }
}

/// The first argument of a copy of this program that is killed while it compiles.
const KILLED: &str = "killed";

/// Its component comes, and its code goes, through the pipes of whoever has started this program.
fn begin_to_compile() {
    let mut child = Command::new(own_binary()).arg(COMPILE_COMMAND).stderr(Stdio::null()).spawn().unwrap();
    println!("{}", child.id());
    child.wait().unwrap();
}

/// Also where nothing else tells it: it waits for the rest of its component, through a pipe that this test holds open.
fn child_ends_with_its_host() {
    let mut host = Command::new(own_binary()).arg(KILLED).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (_open, mut said) = (host.stdin.take(), BufReader::new(host.stdout.take().unwrap()));
    let mut child = String::new();
    said.read_line(&mut child).unwrap();
    wait_until_limited(child.trim().parse().unwrap());
    host.kill().unwrap();
    host.wait().unwrap();
    // The pipe ends with the last of the two that could write into it.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(said.read_to_end(&mut Vec::new())));
    end.recv_timeout(PATIENCE).expect("the compiler has outlived its host").unwrap();
}

fn niceness(stat: &str) -> Option<i64> {
    field(stat, 16)?.parse().ok()
}

/// From `/proc/PID/stat`: the name, which may have blanks, ends with the last parenthesis; behind it the group is the third field, and
/// niceness the 17th.
fn field(stat: &str, n: usize) -> Option<&str> {
    stat.rsplit(')').next()?.split_whitespace().nth(n)
}

/// A component with a byte of its code changed so that it is no longer valid.
fn garbled() -> Vec<u8> {
    let mut bytes = guest("test_echo");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    bytes
}
