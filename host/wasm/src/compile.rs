//! From a component's bytes to machine code, in a process of its own.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, nice, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wasmtime::{Engine, OptLevel};

use crate::error::Error;

/// The first argument with which [`Compiler::Child`] runs its binary; the binary then answers with [`compile_child_main`].
pub const COMPILE_COMMAND: &str = "compile-component";
/// The largest component. Python's, with its interpreter, has 18 MB.
pub const MAX_COMPONENT_SIZE: usize = 64 * 1024 * 1024;
/// The most machine code that a component may become: about five times its size is usual.
const MAX_CODE_SIZE: usize = 1024 * 1024 * 1024;
/// Address space of the compiler's process. Python's component needs about 2 GiB of it.
const MAX_COMPILER_MEMORY: u64 = 4 * 1024 * 1024 * 1024;
/// The compiler's CPU time, which says how much a component is: Python's takes 9 s.
const MAX_COMPILER_CPU_SECONDS: u64 = 120;
/// As much more, and a compiler that does not hear that its time is over is killed.
const CPU_GRACE_SECONDS: u64 = 5;
/// How long the compiler may take by the clock, which says how busy the machine is: on two fifths of a core, what a component may be at
/// the most still compiles.
const COMPILE_TIMEOUT: Duration = Duration::from_mins(5);
/// Threads of the compiler. It works beside a host that must keep its pace, and each thread costs address space.
const COMPILER_THREADS: usize = 2;
/// Below everything else on the machine.
const COMPILER_NICENESS: i32 = 10;
/// How much of what the compiler says is kept.
const MAX_COMPLAINT: u64 = 16 * 1024;

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In a child process that is niced and limited in memory and time: `<exe> compile-component`. A component that makes
    /// the compiler eat memory or crash harms only itself. The process is the leader of a group of its own, so that whoever interrupts the
    /// host from a terminal does not interrupt it, and on Linux it ends with the host.
    Child {
        /// A binary whose main calls [`compile_child_main`] for [`COMPILE_COMMAND`]: as a rule the host's own
        /// ([`Compiler::this_program`]).
        exe: PathBuf,
    },
    /// In this process, without limits: for tests and one-off tools.
    InProcess,
}

impl Compiler {
    /// A child that runs the very program that this process runs, also where another one stands in its file's place since: an upgrade
    /// replaces the file under a running host, and the code of another version would not load. Systems other than Linux have no name for
    /// that; there it is whatever the file is at that moment.
    ///
    /// # Errors
    /// When the system does not say which file this program is.
    pub fn this_program() -> std::io::Result<Self> {
        let exe = std::env::current_exe()?;
        Ok(Self::Child { exe: if cfg!(target_os = "linux") { RUNNING_PROGRAM.into() } else { exe } })
    }
}

/// What Linux runs in the process that asks, whatever became of its file. Whoever is started by this name is still that program when it
/// is looked up.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// The configuration that decides what machine code looks like. The host and its compiling child must agree on every setting here.
pub(crate) fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        // So that a call can be replayed on another machine: the same bits whatever the processor makes of NaNs.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config
}

/// Compiles `bytes`, wherever `compiler` says, for `engine`.
pub(crate) async fn compile(compiler: &Compiler, engine: &Engine, bytes: Arc<[u8]>) -> Result<Vec<u8>, Error> {
    match compiler {
        Compiler::Child { exe } => {
            let work = in_child(exe.clone(), bytes);
            tokio::time::timeout(COMPILE_TIMEOUT, work).await.unwrap_or_else(|_| {
                let limit = COMPILE_TIMEOUT.as_secs();
                Err(Error::Compiler(format!("it had not come to an end after {limit} s, so the machine is too busy for it")))
            })
        }
        Compiler::InProcess => {
            let engine = engine.clone();
            tokio::task::spawn_blocking(move || engine.precompile_component(&bytes))
                .await
                .map_err(|died| Error::Compiler(died.to_string()))?
                .map_err(|error| Error::Compile(format!("{error:#}")))
        }
    }
}

async fn in_child(exe: PathBuf, bytes: Arc<[u8]>) -> Result<Vec<u8>, Error> {
    let failed = |cause: std::io::Error| Error::Compiler(format!("{}: {cause}", exe.display()));
    let mut child = Command::new(&exe)
        .arg(COMPILE_COMMAND)
        // Credentials of the host are of no use to a compiler.
        .env_clear()
        .env("MALLOC_ARENA_MAX", COMPILER_THREADS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(Error::Compiler("its pipes are missing".to_owned()));
    };
    let write = async {
        // A child that dies early closes the pipe; its exit says why.
        let _ = stdin.write_all(&bytes).await;
        let _ = stdin.shutdown().await;
        drop(stdin);
        Ok(())
    };
    let read = async {
        let mut code = Vec::new();
        stdout.take(MAX_CODE_SIZE as u64 + 1).read_to_end(&mut code).await.map_err(failed)?;
        if code.len() > MAX_CODE_SIZE {
            return Err(Error::Compile(format!("it becomes more than {MAX_CODE_SIZE} bytes of machine code")));
        }
        Ok(code)
    };
    let hear = async {
        let mut complaint = Vec::new();
        (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut complaint).await.map_err(failed)?;
        // The rest is read all the same: a child whose pipe is full stands still.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await.map_err(failed)?;
        Ok(String::from_utf8_lossy(&complaint).trim().to_owned())
    };
    let ((), code, complaint) = tokio::try_join!(write, read, hear)?;
    let status = child.wait().await.map_err(failed)?;
    match verdict(status) {
        Verdict::Compiled => Ok(code),
        Verdict::Refused => Err(Error::Compile(complaint)),
        Verdict::TooMuch => Err(Error::CompilerDied(format!("{status}; {complaint}"))),
        Verdict::Broken => Err(Error::Compiler(format!("{status}; {complaint}"))),
    }
}

/// Exit code of the child when it is the component that is at fault.
const REFUSED: u8 = 3;

/// Exit code of a Rust program that has panicked.
const PANICKED: i32 = 101;

/// The signals by which a compiler ends that a component is too much for: it has no memory left or is wrong about something, its stack has
/// run over, its CPU time is over. All others somebody else has sent, such as whoever stops the host, or the kernel of a machine that has
/// no memory left.
const ITS_OWN: [Signal; 6] = [Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::SEGV, Signal::XCPU];

/// What the end of the compiler's process says.
enum Verdict {
    Compiled,
    /// The component does not compile.
    Refused,
    /// The component is more than the compiler can do.
    TooMuch,
    /// Nothing of the component: the process could not work, or somebody has ended it.
    Broken,
}

fn verdict(status: ExitStatus) -> Verdict {
    match (status.code(), status.signal()) {
        (Some(0), _) => Verdict::Compiled,
        (Some(code), _) if code == i32::from(REFUSED) => Verdict::Refused,
        (Some(PANICKED), _) => Verdict::TooMuch,
        (None, Some(signal)) if ITS_OWN.iter().any(|own| own.as_raw() == signal) => Verdict::TooMuch,
        _ => Verdict::Broken,
    }
}

/// What a binary does when it is run as `<exe> compile-component`: limits itself, reads a component from stdin, and writes machine code
/// to stdout. Complaints go to stderr.
pub fn compile_child_main() -> ExitCode {
    match compile_child() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, complaint)) => {
            eprintln!("{complaint}");
            ExitCode::from(code)
        }
    }
}

fn compile_child() -> Result<(), (u8, String)> {
    let broken = |cause: String| (1, cause);
    limit_this_process().map_err(|error| broken(format!("cannot limit the compiler: {error}")))?;
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_COMPONENT_SIZE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| broken(format!("cannot read the component: {error}")))?;
    if bytes.len() > MAX_COMPONENT_SIZE {
        return Err((REFUSED, format!("it is larger than {MAX_COMPONENT_SIZE} bytes")));
    }
    // Before the component has any part in what goes wrong: the compiler itself would panic where the machine has no more threads.
    let threads = rayon::ThreadPoolBuilder::new().num_threads(COMPILER_THREADS).build_global();
    threads.map_err(|error| broken(format!("cannot start the compiler's threads: {error}")))?;
    let engine = Engine::new(&config()).map_err(|error| broken(format!("{error:#}")))?;
    let code = engine.precompile_component(&bytes).map_err(|error| (REFUSED, format!("{error:#}")))?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&code).and_then(|()| stdout.flush()).map_err(|error| broken(format!("cannot write the code: {error}")))
}

fn limit_this_process() -> rustix::io::Result<()> {
    // Nobody would take its code. Elsewhere it ends when it finds that out.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Where it is not allowed, the compiler is only less polite.
    let _ = nice(COMPILER_NICENESS);
    let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(MAX_COMPILER_MEMORY))?;
    // The signal of the first limit says what was exceeded; that of the last could be anybody's.
    setrlimit(Resource::Cpu, Rlimit { maximum: Some(MAX_COMPILER_CPU_SECONDS + CPU_GRACE_SECONDS), ..at_most(MAX_COMPILER_CPU_SECONDS) })?;
    setrlimit(Resource::Core, at_most(0))?;
    Ok(())
}
