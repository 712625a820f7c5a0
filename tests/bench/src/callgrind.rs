//! Instructions of a program, counted by callgrind: as good as the same on every run of the same build, however busy the machine is.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// What a program printed, and the instructions that it took.
pub struct Counted {
    /// Its standard output.
    pub printed: Vec<u8>,
    /// Within the function, or in all of its threads.
    pub instructions: u64,
}

/// Runs `bench` with arguments. Counts within the functions whose names begin so, or everything. Fails if valgrind is missing.
pub fn count(arguments: &[&str], function: Option<&str>) -> anyhow::Result<Counted> {
    let installed = Command::new("valgrind").arg("--version").output().is_ok_and(|it| it.status.success());
    ensure!(installed, "valgrind is not installed, and without it instructions cannot be counted: `make databases` installs it");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    if let Some(function) = function {
        command.arg("--collect-atstart=no").arg(format!("--toggle-collect={function}*"));
    }
    let done = command.arg(mandate_tests::program::built("bench")?).args(arguments).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "bench {arguments:?} failed under callgrind: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).context("callgrind says what it collected")?.1;
    Ok(Counted { printed: done.stdout, instructions: collected.trim().parse()? })
}
