//! Checks a process of so many tasks, for callgrind: `bench-check TASKS`.

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    mandate_bench::deployment::check(std::env::args().nth(1).context("say how many tasks")?.parse()?)
}
