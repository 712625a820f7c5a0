//! What Linux knows about this process and about a PostgreSQL cluster.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::time::{ClockId, clock_gettime};

/// `USER_HZ`, the unit of CPU times in `/proc`: 100 on every architecture that PostgreSQL's packages are built for.
const TICKS_PER_SECOND: u32 = 100;

/// How often a cluster's processes are looked at again because one ended meanwhile.
const LOOKS: usize = 20;

/// CPU time of this process, user and system, of all its threads, those that have ended too: what `getrusage` adds up, in nanoseconds.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU time of a cluster: its postmaster, its children, and the children that have ended. Each process counts in ticks of 10 ms.
pub fn cluster_cpu(postmaster: u32) -> anyhow::Result<Duration> {
    for _ in 0..LOOKS {
        let before = stat(postmaster).context("the postmaster is running")?;
        let children: u64 = processes()?.into_iter().filter(|(_, it)| it.parent == postmaster).map(|(_, it)| it.own).sum();
        let after = stat(postmaster).context("the postmaster is running")?;
        // A child that ends in between would be counted as neither living nor ended, or as both.
        if before.ended_children == after.ended_children {
            return Ok(Duration::from_secs(after.own + after.ended_children + children) / TICKS_PER_SECOND);
        }
    }
    bail!("processes of the cluster end faster than they can be counted")
}

/// The process that started another one.
pub fn parent(process: u32) -> anyhow::Result<u32> {
    Ok(stat(process).context("the process is running")?.parent)
}

/// The most memory that this process has had resident, in bytes, since it began or [`forget_peak_memory`] was called.
pub fn peak_memory() -> anyhow::Result<u64> {
    status("VmHWM:")
}

/// The memory that this process has resident now, in bytes.
pub fn resident_memory() -> anyhow::Result<u64> {
    status("VmRSS:")
}

fn status(name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("the kernel tells {name}"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Begins anew to look for the most resident memory. Where the kernel does not allow it, the peak is that of the whole process.
pub fn forget_peak_memory() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes that this process has written: to files, but also what it logs and what it answers over HTTP. Unlike what reaches the storage
/// (`write_bytes`), it does not depend on when the kernel writes a page that is written twice.
pub fn bytes_written() -> anyhow::Result<u64> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar:")).context("the kernel tells wchar")?;
    Ok(line.trim().parse()?)
}

/// What `/proc/PID/stat` says of a process; times in ticks.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

fn stat(process: u32) -> Option<Stat> {
    read_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The fields behind the program's name, which stands in parentheses and may hold anything.
fn read_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // proc(5) numbers them from 1 and the state is the third: utime is the 14th.
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: number(11)? + number(12)?, ended_children: number(13)? + number(14)? })
}

fn processes() -> anyhow::Result<BTreeMap<u32, Stat>> {
    let numbers = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(numbers.filter_map(|process| Some((process, stat(process)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_move_the_fields() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 10 20 300 400 20 0 1 0 5 0 0";
        assert_eq!(read_stat(line), Some(Stat { parent: 3, own: 30, ended_children: 700 }));
    }

    #[test]
    fn a_child_that_has_ended_is_not_lost() {
        let me = std::process::id();
        let before = cluster_cpu(me).expect("this process runs");
        let work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let child = std::process::Command::new("sh").args(["-c", work]).status();
        assert!(child.expect("a shell").success());
        assert!(cluster_cpu(me).expect("this process runs").saturating_sub(before) >= Duration::from_millis(20));
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let resident = resident_memory().expect("Linux");
        assert!(resident > 1024 * 1024 && peak_memory().expect("Linux") >= resident / 2);
        assert!(own_cpu() > Duration::ZERO);
    }
}
