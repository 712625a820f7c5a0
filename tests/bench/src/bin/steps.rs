//! Drives the pure engine so often, for callgrind: `bench-steps SCENARIO INSTANCES`. Prints how often each measured function was called, as
//! JSON.

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().context("say which scenario")?;
    let instances: u32 = arguments.next().context("say how many instances")?.parse()?;
    println!("{}", serde_json::to_string(&mandate_bench::steps::drive(&scenario, instances)?)?);
    Ok(())
}
