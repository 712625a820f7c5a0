//! A program under test: started, watched, stopped by signals, and never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a program may take until it says where it listens: a first start compiles components.
const START: Duration = Duration::from_secs(120);

/// A running program.
pub struct Program {
    name: String,
    child: Child,
    url: String,
}

/// Where the built programs are: beside the running test or tool.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    me.ancestors()
        .skip(1)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("find the program {name} near {}: build it with `cargo build --workspace`", me.display()))
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

impl Program {
    /// Starts a program and waits until it prints `… listening on URL`. Its log goes to a file.
    pub async fn start(name: &str, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(built(name)?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, url)) = line.split_once(" listening on ") {
                    return Ok::<_, anyhow::Error>(url.trim().to_owned());
                }
            }
            bail!("{name} ended before it listened; its log is {}", log.display())
        };
        let url = tokio::time::timeout(START, listening).await.with_context(|| format!("{name} did not listen in time"))??;
        // What it prints afterwards must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { name: name.to_owned(), child, url })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process's id.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} is running", self.name))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid()?)?).context("a process has an id")?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// Waits until it ends by itself, and says how.
    pub async fn ended(mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} did not end by itself within {within:?}", self.name))??)
    }

    /// SIGKILL, as a crash: no handler runs.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// SIGTERM, and waits until it has drained.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait())
            .await
            .with_context(|| format!("{} did not drain in time", self.name))??;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}
