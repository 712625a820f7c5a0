//! What is waited for where there is little to do: one commit, one request, each after a pause in which cores have gone to sleep.

use std::time::{Duration, Instant};

use crate::figures::quantile;
use crate::http::Client;
use crate::stub;

use super::rows;

/// How many of each.
const COUNT: u32 = 200;

/// Between an answer and the next request, here and where the engine is measured: whoever waits for nobody else finds cores asleep and
/// caches cold.
pub const PAUSE: Duration = Duration::from_millis(20);

/// The median time of a transaction with one first unit of work, in milliseconds.
pub(super) async fn commit(mut writer: rows::Writer) -> anyhow::Result<f64> {
    median(async |number| writer.write_some(0..1, number..number + 1).await).await
}

/// The median time of a request that is answered at once by somebody who does nothing else, in milliseconds.
pub(super) async fn request(body: &str) -> anyhow::Result<f64> {
    let address = stub::start()?.trim_start_matches("http://").parse()?;
    let mut client = Client::connect(address).await?;
    median(async |_| client.post("/", body).await.map(drop)).await
}

async fn median(mut once: impl AsyncFnMut(u32) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for number in 0..COUNT {
        let begun = Instant::now();
        once(number).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(quantile(&mut took, 0.5))
}
