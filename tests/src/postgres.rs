//! A PostgreSQL cluster to throw away: real, durable, on a unix socket in a folder of its own.
//!
//! It runs with the default durability, for that is what is tested. It ends with its owner: when the [`Cluster`] is dropped,
//! and also when the process that started it is gone, however it went.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// How many seconds starting may take on a machine that is busy with other tests.
const PATIENCE: &str = "120";

/// The cluster's only role; a superuser, so that tests can end others' sessions.
const ROLE: &str = "mandate";

/// Starts the server, says when it answers, keeps it for as long as its own input is open, then ends it at once and removes its folder.
const KEEPER: &str = r#"
folder=$1; patience=$2; options=$3; pg_ctl=$4
"$pg_ctl" -s -w -t "$patience" -D "$folder/data" -l "$folder/log" -o "$options" start >&2 && echo ready || echo failed
read -r _
"$pg_ctl" -s -w -m immediate -D "$folder/data" stop
cd /
rm -rf "$folder"
"#;

/// What can go wrong with a cluster.
#[derive(Debug)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    user: Option<User>,
    /// The server's.
    options: String,
    keeper: Child,
}

/// A user that may run a server: PostgreSQL refuses root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Initialises and starts a cluster and waits until it answers.
    pub fn start() -> Result<Self, Error> {
        Self::start_with("")
    }

    /// The same with more options for the server, such as `-c shared_preload_libraries=pg_stat_statements`.
    pub fn start_with(options: &str) -> Result<Self, Error> {
        let programs = programs()?;
        let user = unprivileged()?;
        let folder = tempfile::Builder::new().prefix("mandate-pg-").tempdir_in("/tmp")?.keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        if let Some(User { uid, gid }) = user {
            chown(&folder, Some(uid), Some(gid))?;
        }
        let data = folder.join("data");
        let initdb = arguments([&programs.join("initdb"), &"-D".into(), &data])
            .args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .as_user(user, &folder)
            .output()?;
        if !initdb.status.success() {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(Error(format!("initdb failed: {}", String::from_utf8_lossy(&initdb.stderr))));
        }
        let options = format!("-k {} -c listen_addresses= -c max_connections=300 -c shared_buffers=128MB {options}", folder.display());
        let keeper = arguments([&PathBuf::from("/bin/sh"), &"-c".into(), &KEEPER.into(), &"keeper".into(), &folder])
            .args([PATIENCE, &options])
            .arg(programs.join("pg_ctl"))
            .as_user(user, &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Signals for the test, such as Ctrl-C, reach the server as a closed input, in good order.
            .process_group(0)
            .spawn()?;
        let mut cluster = Self { folder, programs, user, options, keeper };
        cluster.await_answer()?;
        Ok(cluster)
    }

    fn await_answer(&mut self) -> Result<(), Error> {
        let mut answer = String::new();
        if let Some(output) = self.keeper.stdout.take() {
            BufReader::new(output).read_line(&mut answer)?;
        }
        if answer.trim() == "ready" {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(Error(format!("PostgreSQL did not start: {log}")))
    }

    /// Creates an empty database and answers its URL. The name is a lower-case word of the test's own.
    pub fn create_database(&self, name: &str) -> Result<String, Error> {
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(name))
    }

    /// A database's URL.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@localhost/{database}?host={}", self.folder.display())
    }

    /// Runs a statement and answers what `psql` prints: one line a row, columns separated by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        let done = self.client("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]).output()?;
        if !done.status.success() {
            return Err(Error(format!("{sql}: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
    }

    /// Runs a script as an operator would, `psql` reading it from its input; the first error ends it.
    pub fn script(&self, database: &str, script: &str) -> Result<(), Error> {
        let mut psql = self.client("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = psql.spawn()?;
        if let Some(mut input) = running.stdin.take() {
            // Should it end before it has read everything, it says why.
            let _ = input.write_all(script.as_bytes());
        }
        let done = running.wait_with_output()?;
        if !done.status.success() {
            return Err(Error(format!("psql: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(())
    }

    /// The ids of all its processes.
    pub fn processes(&self) -> Result<Vec<u32>, Error> {
        let data = self.folder.join("data");
        let ids = std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // Each of them works in the folder of the data. One that ends meanwhile has no folder any more.
        Ok(ids.filter(|id| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == data)).collect())
    }

    /// SIGKILL to the server and every backend, as a crash of all of it. Answers when none is left.
    pub fn kill(&self) -> Result<(), Error> {
        loop {
            let processes = self.processes()?;
            if processes.is_empty() {
                return Ok(());
            }
            for id in processes {
                let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("ids of processes are positive");
                // It may have ended by itself since: backends do when their server is gone.
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::yield_now();
        }
    }

    /// Starts it again after [`Cluster::kill`], and waits until it has recovered.
    pub fn start_again(&self) -> Result<(), Error> {
        let (data, log) = (self.folder.join("data"), self.folder.join("log"));
        // A dead server that nobody has waited for yet still has its id, and would be taken for a living one by what it has left: the lock
        // files of its data and of its socket. There is none: `kill` has seen to it.
        std::fs::remove_file(data.join("postmaster.pid"))?;
        for entry in std::fs::read_dir(&self.folder)?.flatten().filter(|entry| entry.path().extension() == Some(OsStr::new("lock"))) {
            std::fs::remove_file(entry.path())?;
        }
        let done = arguments([&self.programs.join("pg_ctl"), &"-D".into(), &data, &"-l".into(), &log])
            .args(["-s", "-w", "-t", PATIENCE, "-o", &self.options, "start"])
            .as_user(self.user, &self.folder)
            .stdin(Stdio::null())
            // The server would keep a pipe open for as long as it runs.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if done.success() {
            return Ok(());
        }
        Err(Error(format!("PostgreSQL did not start again: {}", std::fs::read_to_string(log).unwrap_or_default())))
    }

    /// The same as a standby, which only answers reads until `pg_promote()` is called.
    pub fn start_again_as_standby(&self) -> Result<(), Error> {
        std::fs::write(self.folder.join("data/standby.signal"), "")?;
        self.start_again()
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(&self.folder).args(["-U", ROLE]).current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The keeper reads the end of its input and does the rest.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A command from a program and its arguments.
fn arguments<const N: usize>(words: [&PathBuf; N]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

trait AsUser {
    fn as_user(&mut self, user: Option<User>, folder: &Path) -> &mut Self;
}

impl AsUser for Command {
    fn as_user(&mut self, user: Option<User>, folder: &Path) -> &mut Self {
        if let Some(User { uid, gid }) = user {
            self.uid(uid).gid(gid);
        }
        self.current_dir(folder).env("LC_ALL", "C")
    }
}

/// The folder of the newest installed server's programs.
fn programs() -> Result<PathBuf, Error> {
    let version = |folder: &Path| folder.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = installed.filter(|folder| folder.join("bin/initdb").exists()).max_by_key(|folder| version(folder));
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    };
    newest
        .map(|folder| folder.join("bin"))
        .or_else(on_path)
        .ok_or_else(|| Error("PostgreSQL's server programs are not installed: `make databases` installs them, or say how".to_owned()))
}

/// Whom a server runs as: none when this process is not root, else the first of PostgreSQL's own user and nobody.
fn unprivileged() -> Result<Option<User>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        accounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            match fields[..] {
                [account, _, uid, gid, ..] if account == name => Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? }),
                _ => None,
            }
        })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some).ok_or_else(|| Error("root may not run PostgreSQL, and there is neither a user postgres nor nobody".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_durable_and_leaves_nothing_behind() {
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let url = cluster.create_database("first").expect("a database");
        assert!(url.starts_with("postgres://mandate@localhost/first?host=/"), "{url}");
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            assert_eq!(cluster.sql("first", &format!("SHOW {setting}")).expect("an answer"), "on", "{setting}");
        }
        let folder = cluster.folder.clone();
        drop(cluster);
        assert!(!folder.exists(), "{} is still there", folder.display());
    }
}
