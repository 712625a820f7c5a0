//! System calls of running programs, seen by strace: what was on the disk when an answer left.
//!
//! A process that is killed leaves what it wrote in the kernel's cache, so no kill can show that a commit was synchronised. Its system
//! calls do.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long attaching and letting go may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whatever reads a request, writes an answer, writes a log, or synchronises it.
const CALLS: &str = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync";
const READS: [&str; 4] = ["read", "readv", "recvfrom", "recvmsg"];
const SENDS: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];
const WRITES: [&str; 3] = ["write", "pwrite64", "pwritev"];
const SYNCS: [&str; 2] = ["fsync", "fdatasync"];

/// How a request begins that changes something.
const CHANGES: [&str; 3] = ["\"POST /", "\"PUT /", "\"DELETE /"];

/// Whether this machine lets one process look at another's calls. Fails if strace is missing: that can be helped. So it does where the
/// environment variable `CI` is set: whoever is told there that all has passed relies on this as well.
pub async fn permitted() -> anyhow::Result<bool> {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output().await;
    let tried = tried.context("run strace: `make databases` installs it")?;
    if tried.status.success() {
        return Ok(true);
    }
    let errors = String::from_utf8_lossy(&tried.stderr).into_owned();
    ensure!(errors.contains("not permitted") || errors.contains("ermission denied"), "strace does not work: {errors}");
    ensure!(std::env::var_os("CI").is_none(), "this machine forbids ptrace, and CI is set, so that nothing may be skipped: {errors}");
    eprintln!("SKIPPED: this machine forbids ptrace, so that nobody can see which calls a program makes: {errors}");
    Ok(false)
}

/// Running programs under observation, with all that they start.
pub struct Tracer {
    strace: Child,
    output: PathBuf,
}

impl Tracer {
    /// Attaches to running processes. What they do from here on is seen.
    pub async fn attach(pids: &[u32], output: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-ttt", "-yy", "-s", "96", "-e", "signal=none", "-e"]).arg(format!("trace={CALLS}"));
        command.arg("-o").arg(output);
        for pid in pids {
            command.arg("-p").arg(pid.to_string());
        }
        // It is to say when it has attached, and nothing else.
        command.arg("--quiet=exit,personality,thread-execve");
        Ok(Self { strace: attached(command, pids).await?, output: output.to_owned() })
    }

    /// Lets go of the programs, which go on, and answers what they did.
    pub async fn detach(self) -> anyhow::Result<Trace> {
        let_go(self.strace).await?;
        Ok(Trace::read(&String::from_utf8_lossy(&std::fs::read(&self.output)?)))
    }
}

/// A system call at which a program is to die: the one that a thread of it makes for the `nth` time, before it is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Shot<'a> {
    /// The call's name.
    pub call: &'a str,
    /// From 1.
    pub nth: u64,
    /// Only calls about this file count.
    pub about: Option<&'a Path>,
}

/// A running program that is under fire.
pub struct Mark(Child);

impl Mark {
    /// From here on it counts.
    pub async fn aim(pid: u32, shot: Shot<'_>) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "signal=none", "-e"]).arg(format!("trace={}", shot.call));
        command.arg("-e").arg(format!("inject={}:signal=KILL:when={}", shot.call, shot.nth));
        if let Some(path) = shot.about {
            command.arg("-P").arg(path);
        }
        command.arg("-p").arg(pid.to_string()).arg("--quiet=exit,personality,thread-execve,path-resolution");
        Ok(Self(attached(command, &[pid]).await?))
    }

    /// Waits until the program is dead: somebody else has seen to that, if it was not hit.
    pub async fn over(mut self) -> anyhow::Result<()> {
        tokio::time::timeout(PATIENCE, self.0.wait()).await.context("strace did not end with the program")??;
        Ok(())
    }
}

/// Runs strace until it says that it has attached to these processes.
async fn attached(mut command: Command, pids: &[u32]) -> anyhow::Result<Child> {
    let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().context("run strace")?;
    let mut lines = BufReader::new(strace.stderr.take().context("its errors are piped")?).lines();
    let attaching = async {
        let mut left = pids.to_vec();
        while !left.is_empty() {
            let line = lines.next_line().await?.context("strace ended before it had attached")?;
            let attached = line.strip_prefix("strace: Process ").and_then(|rest| rest.split_once(' '));
            match attached {
                Some((pid, what)) if what.starts_with("attached") => left.retain(|wanted| wanted.to_string() != pid),
                _ => bail!("strace: {line}"),
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, attaching).await.context("strace did not attach in time")??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(strace)
}

async fn let_go(mut strace: Child) -> anyhow::Result<()> {
    let id = strace.id().context("strace is running")?;
    kill_process(Pid::from_raw(i32::try_from(id)?).context("a process has an id")?, Signal::INT)?;
    tokio::time::timeout(PATIENCE, strace.wait()).await.context("strace did not let go in time")??;
    Ok(())
}

/// One system call. Places in the trace are in the order in which things happened: a call is seen before it is carried out and after it has
/// been.
#[derive(Debug)]
struct Call {
    /// The thread's id.
    pid: String,
    name: String,
    /// Arguments and result as strace prints them.
    text: String,
    began: usize,
    /// None: it did not return while it was looked at.
    ended: Option<usize>,
}

impl Call {
    fn is(&self, names: &[&str], text: &str) -> bool {
        names.contains(&self.name.as_str()) && self.text.contains(text)
    }

    /// It began after `from` and was over before `to`.
    fn within(&self, from: usize, to: usize) -> bool {
        self.began > from && self.ended.is_some_and(|ended| ended < to)
    }
}

/// What programs did, in order.
#[derive(Debug)]
pub struct Trace(Vec<Call>);

/// The database whose log must be on the disk.
#[derive(Clone, Copy, Debug)]
pub enum Log {
    /// The `-wal` file beside the database, written by the host itself.
    Sqlite,
    /// Segments in `pg_wal`, written and synchronised by backends, which then answer the host's COMMIT.
    Postgres,
}

impl Trace {
    /// Reads what strace has written: `PID TIME name(arguments) = result`, where a call that others interrupt is in two lines.
    fn read(text: &str) -> Self {
        let mut calls: Vec<Call> = Vec::new();
        let mut unfinished: HashMap<&str, usize> = HashMap::new();
        for (place, line) in text.lines().enumerate() {
            // Ids are padded to one width.
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let Some((_time, rest)) = rest.trim_start().split_once(' ') else { continue };
            if let Some(resumed) = rest.strip_prefix("<... ") {
                if let (Some(at), Some((_, rest))) = (unfinished.remove(pid), resumed.split_once(" resumed>")) {
                    calls[at].text.push_str(rest);
                    calls[at].ended = Some(place);
                }
                continue;
            }
            let Some((name, arguments)) = rest.split_once('(') else { continue };
            let is_open = arguments.ends_with("<unfinished ...>");
            if is_open {
                unfinished.insert(pid, calls.len());
            }
            let call = Call {
                pid: pid.to_owned(),
                name: name.to_owned(),
                text: arguments.to_owned(),
                began: place,
                ended: (!is_open).then_some(place),
            };
            calls.push(call);
        }
        Self(calls)
    }

    /// How many requests that change something were answered well, each after its log was on the disk; or the first that was not. One
    /// client must have asked, one request after the other.
    pub fn answered_after_their_sync(&self, log: Log) -> Result<usize, String> {
        let requests = self.0.iter().filter(|call| CHANGES.iter().any(|begin| call.is(&READS, begin)));
        let mut answered = 0;
        for request in requests {
            let asked = request.ended.ok_or("a request was not read to its end")?;
            let answer = self.0.iter().find(|call| call.began > asked && call.is(&SENDS, "HTTP/1.1 2"));
            let left = answer.ok_or_else(|| format!("no answer to {}", request.text))?.began;
            let synced = match log {
                Log::Sqlite => self.sqlite_synced(asked, left),
                Log::Postgres => self.postgres_synced(asked, left),
            };
            synced.map_err(|why| format!("{why}: {}", request.text))?;
            answered += 1;
        }
        Ok(answered)
    }

    /// The last write to the log was followed by a synchronisation.
    fn sqlite_synced(&self, asked: usize, left: usize) -> Result<(), String> {
        let writes = self.0.iter().filter(|call| call.is(&WRITES, "-wal>") && call.began > asked && call.began < left);
        let written = writes.map(|call| call.ended.unwrap_or(usize::MAX)).max().ok_or("nothing was written before the answer left")?;
        let synced = self.0.iter().any(|call| call.is(&SYNCS, "-wal>") && call.within(written, left));
        if synced { Ok(()) } else { Err("an answer left before its log was synchronised".to_owned()) }
    }

    /// The backend that stored what the request came to told the host so when its log was on the disk.
    fn postgres_synced(&self, asked: usize, left: usize) -> Result<(), String> {
        // The protocol's Query and CommandComplete.
        let is_order = |call: &&Call| call.is(&READS, "\"Q\\0\\0\\0\\vCOMMIT\\0") && call.within(asked, left);
        let is_done = |call: &&Call| call.is(&SENDS, "\"C\\0\\0\\0\\vCOMMIT\\0") && call.began < left;
        let mut committed = self.0.iter().filter(is_order).filter_map(|order| {
            let ordered = order.ended?;
            let done = self.0.iter().filter(is_done).find(|done| done.pid == order.pid && done.began > ordered)?;
            Some((ordered, done))
        });
        match committed.next_back() {
            Some((ordered, done)) => self.committed(ordered, done),
            None => self.stored_alone(asked, left),
        }
    }

    /// From the moment at which a backend has read COMMIT, which only then is in the log, somebody has written to the log and after that
    /// synchronised it: the backend itself, whose last write counts, or another process that has done both for it, as backends do that
    /// commit at the same moment.
    fn committed(&self, ordered: usize, done: &Call) -> Result<(), String> {
        let writes = || self.0.iter().filter(|call| call.is(&WRITES, "/pg_wal/") && call.began > ordered && call.began < done.began);
        // Which of several writes of others holds the COMMIT is not to be seen; one there must be.
        let written = writes().rfind(|call| call.pid == done.pid).or_else(|| writes().next());
        self.synced(written.ok_or("a COMMIT was answered that was not written")?, done)
    }

    /// A statement that is a transaction of its own is over when its backend answers: its last write to the log comes before that.
    fn stored_alone(&self, asked: usize, left: usize) -> Result<(), String> {
        let answer_to = |write: &Call| {
            self.0.iter().find(|call| call.pid == write.pid && call.is(&SENDS, "STREAM") && call.began > write.began && call.began < left)
        };
        let writes = self.0.iter().filter(|call| call.is(&WRITES, "/pg_wal/") && call.began > asked && call.began < left);
        let stored = writes.filter_map(|write| Some((write, answer_to(write)?))).next_back();
        let (written, done) = stored.ok_or("nothing was committed before the answer left")?;
        self.synced(written, done)
    }

    /// The log was synchronised after a write and before a backend answered.
    fn synced(&self, written: &Call, done: &Call) -> Result<(), String> {
        let written = written.ended.unwrap_or(usize::MAX);
        let synced = self.0.iter().any(|call| call.is(&SYNCS, "/pg_wal/") && call.within(written, done.began));
        if synced { Ok(()) } else { Err("a backend has answered before its log was synchronised".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "1   0.1 recvfrom(9<TCP:[a->b]>, \"POST /engine-rest/x HTTP/1.1\\r\\n\"..., 8192, 0, NULL, NULL) = 120\n";
    const ANSWER: &str = "1 0.9 writev(9<TCP:[a->b]>, [{iov_base=\"HTTP/1.1 200 OK\\r\\n\"...}], 2) = 200\n";

    fn verdict(log: Log, lines: &[&str]) -> Result<usize, String> {
        Trace::read(&lines.concat()).answered_after_their_sync(log)
    }

    #[test]
    fn an_answer_that_leaves_before_its_sync_is_found_on_sqlite() {
        let write = "2 0.2 pwrite64(14</tmp/a.db-wal>, \"\"..., 4096, 0) = 4096\n";
        let sync = "2 0.3 fdatasync(14</tmp/a.db-wal>) = 0\n";
        let (begun, done) = ("2 0.3 fdatasync(14</tmp/a.db-wal> <unfinished ...>\n", "2 0.4 <... fdatasync resumed>) = 0\n");
        let other = "2 0.3 fdatasync(12</tmp/a.db>) = 0\n";
        assert_eq!(verdict(Log::Sqlite, &[READ, write, sync, ANSWER]), Ok(1));
        assert_eq!(verdict(Log::Sqlite, &[READ, write, begun, done, ANSWER]), Ok(1));
        assert_eq!(verdict(Log::Sqlite, &[READ, write, sync, ANSWER, READ, write, sync, ANSWER]), Ok(2));
        let [put, delete, get] = ["PUT", "DELETE", "GET"].map(|method| READ.replace("POST", method));
        assert_eq!(verdict(Log::Sqlite, &[&put, write, sync, ANSWER, &delete, write, sync, ANSWER, &get, ANSWER]), Ok(2));
        for request in [put.as_str(), &delete] {
            assert!(verdict(Log::Sqlite, &[request, write, ANSWER]).is_err(), "{request}");
        }
        for wrong in [
            &[READ, write, ANSWER][..],
            &[READ, write, ANSWER, sync],
            &[READ, sync, write, ANSWER],
            &[READ, write, sync, write, ANSWER],
            &[READ, write, begun, ANSWER, done],
            &[READ, begun, write, done, ANSWER],
            &[READ, write, other, ANSWER],
            &[READ, ANSWER],
            &[READ, write, sync, ANSWER, READ, write, ANSWER],
        ] {
            assert!(verdict(Log::Sqlite, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_that_leaves_before_its_sync_is_found_on_postgres() {
        let of = |pid: u32, call: &str| format!("{pid} 0.3 {call}\n");
        let order = of(7, "recvfrom(10<UNIX-STREAM:[1->2]>, \"Q\\0\\0\\0\\vCOMMIT\\0\", 8192, 0, NULL, NULL) = 12");
        let write = |pid| of(pid, "pwrite64(8</tmp/pg/data/pg_wal/000000010000000000000001>, \"\"..., 8192, 0) = 8192");
        let sync = |pid| of(pid, "fdatasync(8</tmp/pg/data/pg_wal/000000010000000000000001>) = 0");
        let commit = of(7, "sendto(10<UNIX-STREAM:[1->2]>, \"C\\0\\0\\0\\vCOMMIT\\0Z\\0\\0\\0\\5I\", 17, 0, NULL, 0) = 17");
        let update = of(7, "sendto(10<UNIX-STREAM:[1->2]>, \"2\\0\\0\\0\\4D\", 170, 0, NULL, 0) = 170");
        let update = update.as_str();
        let (own, other) = ((write(7), sync(7)), (write(8), sync(8)));
        let (order, commit) = (order.as_str(), commit.as_str());
        let (write, sync) = (own.0.as_str(), own.1.as_str());
        let (other_write, other_sync) = (other.0.as_str(), other.1.as_str());
        for right in [
            &[READ, order, write, sync, commit, ANSWER][..],
            // Pages that were full before the COMMIT came.
            &[READ, write, order, write, sync, commit, ANSWER],
            &[READ, order, other_write, write, sync, commit, ANSWER],
            // Another has done it.
            &[READ, order, write, other_sync, commit, ANSWER],
            &[READ, order, other_write, other_sync, commit, ANSWER],
            &[READ, order, other_write, other_sync, other_write, commit, ANSWER],
            // A transaction of one statement.
            &[READ, write, sync, update, ANSWER],
            &[READ, write, sync, update, other_write, ANSWER],
        ] {
            assert_eq!(verdict(Log::Postgres, right), Ok(1), "{right:?}");
        }
        for wrong in [
            &[READ, order, write, commit, sync, ANSWER][..],
            &[READ, order, write, commit, ANSWER],
            &[READ, order, sync, write, commit, ANSWER],
            &[READ, order, write, sync, write, commit, ANSWER],
            // What another has synchronised was not this.
            &[READ, order, other_write, other_sync, write, commit, ANSWER],
            &[READ, other_write, other_sync, order, commit, ANSWER],
            &[READ, other_write, order, other_sync, commit, ANSWER],
            &[READ, write, sync, order, commit, ANSWER],
            &[order, write, sync, READ, commit, ANSWER],
            &[READ, order, write, sync, ANSWER],
            &[READ, write, update, sync, ANSWER],
            &[READ, sync, write, update, ANSWER],
            &[READ, write, sync, ANSWER, update],
            &[READ, update, ANSWER],
        ] {
            assert!(verdict(Log::Postgres, wrong).is_err(), "{wrong:?}");
        }
    }
}
