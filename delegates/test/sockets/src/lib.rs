//! A delegate that wants the network. It fits the world but for its imports of `wasi:sockets`, so it must be refused at
//! deployment.

use mandate_sdk::{Context, Error, Result};
use serde_json::{Value, json};

fn run(_: &Context, _: Value) -> Result<Value> {
    std::net::TcpStream::connect("127.0.0.1:1").map_err(Error::technical)?;
    Ok(json!({}))
}

mandate_sdk::delegate!(run);
