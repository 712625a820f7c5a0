//! A delegate that does to its host whatever the variable `mode` says. For tests of the sandbox; deploy it nowhere else.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mandate_sdk::{CommandError, Context, Error, Ignored, Level, Result};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Input {
    mode: String,
    /// How much of it: bytes, calls, lines or milliseconds.
    #[serde(default)]
    amount: usize,
}

fn run(cx: &Context, Input { mode, amount }: Input) -> Result<Value> {
    match mode.as_str() {
        "trap" => trap(),
        "spin" => spin(),
        "memory" => memory(amount),
        "output" => return Ok(json!({ "big": "x".repeat(amount) })),
        "message" => return Err(Error::technical("x".repeat(amount))),
        "commands" => return commands(cx, amount),
        "command-then-spin" => {
            let Ignored = cx.command("a@1", &json!({}))?;
            spin();
        }
        "body" => return Ok(cx.command("a@1", &json!({ "big": "x".repeat(amount) }))?),
        "swallow" => return swallow(cx, amount),
        "sleep" => std::thread::sleep(Duration::from_millis(amount as u64)),
        "log" => (0..amount).for_each(|n| cx.log(Level::Info, format!("line {n}"))),
        "long-line" => cx.log_warn("ä".repeat(amount)),
        "print" => (0..amount).for_each(|n| println!("printed {n}")),
        "recursion" => return Ok(json!({ "depth": recurse(1) })),
        "panic" => panic!("the delegate's own words"),
        "exit" => std::process::exit(i32::try_from(amount).unwrap_or(1)),
        "handles" => wasi::hold_timers(amount),
        "random" => return Ok(json!({ "bytes": wasi::random_bytes(amount) })),
        "count" => return Ok(count()),
        "world" => return Ok(world()),
        "bpmn" => {
            return Err(Error::bpmn("REJECTED", "no").with_variables(json!({ "why": "because" })));
        }
        "never" => return Err(Error::technical("broken").with_code("BROKEN").never()),
        "later" => return Err(Error::technical("busy").retry_after(Duration::from_millis(1500))),
        "work" => return Ok(json!({ "sum": work(amount) })),
        other => return Err(Error::technical(format!("no mode {other}")).never()),
    }
    Ok(json!({}))
}

mandate_sdk::delegate!(run);

/// One `unreachable` instruction.
fn trap() {
    #[cfg(target_family = "wasm")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

fn spin() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Takes memory in chunks of 1 MiB and writes to it, so that it is really there.
fn memory(amount: usize) {
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() * 1024 * 1024 < amount {
        held.push(black_box(vec![1; 1024 * 1024]));
    }
}

fn commands(cx: &Context, amount: usize) -> Result<Value> {
    for n in 0..amount {
        let Ignored = cx.command("a@1", &json!({ "n": n }))?;
    }
    Ok(json!({ "issued": amount }))
}

/// Goes on after every refusal, as a delegate that does not care about its limits would.
fn swallow(cx: &Context, amount: usize) -> Result<Value> {
    let mut refused = 0;
    for n in 0..amount {
        if let Err(CommandError::Refused(_)) = cx.command::<Ignored>("a@1", &json!({ "n": n })) {
            refused += 1;
        }
    }
    Ok(json!({ "refused": refused }))
}

#[allow(unconditional_recursion, reason = "it is meant to run out of stack")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + frame[0]
}

/// Would count up if anything were kept from call to call.
fn count() -> Value {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    json!({ "calls": CALLS.fetch_add(1, Ordering::Relaxed) + 1 })
}

/// What the guest sees of the world outside.
fn world() -> Value {
    let started = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    json!({
        "wall": u64::try_from(wall).unwrap_or_default(),
        // Seeded from wasi:random.
        "random": RandomState::new().hash_one(1).to_string(),
        "environment": std::env::vars().count(),
        "arguments": std::env::args().count(),
        "root": std::fs::read_dir("/").map_or_else(|error| error.to_string(), |_| "readable".to_owned()),
        "stdin": std::io::read_to_string(std::io::stdin()).unwrap_or_else(|error| error.to_string()),
        "elapsed": u64::try_from(started.elapsed().as_millis()).unwrap_or_default(),
    })
}

fn work(amount: usize) -> u64 {
    (0..amount as u64).fold(0, |sum, n| black_box(sum ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

/// What Rust's standard library does not let a guest do.
#[cfg(target_family = "wasm")]
mod wasi {
    #[allow(unsafe_code, clippy::pedantic, reason = "generated: the canonical ABI is raw memory")]
    mod bindings {
        wit_bindgen::generate!({
            inline: "
                package test:hostile;

                package wasi:io@0.2.1 {
                    interface poll {
                        resource pollable;
                    }
                }

                package wasi:clocks@0.2.1 {
                    interface monotonic-clock {
                        use wasi:io/poll@0.2.1.{pollable};
                        type duration = u64;
                        subscribe-duration: func(when: duration) -> pollable;
                    }
                }

                package wasi:random@0.2.1 {
                    interface random {
                        get-random-bytes: func(len: u64) -> list<u8>;
                    }
                }

                world greedy {
                    import wasi:clocks/monotonic-clock@0.2.1;
                    import wasi:random/random@0.2.1;
                }
            ",
            generate_all,
            type_section_suffix: "greedy",
        });
    }

    /// Starts timers and never lets go of one.
    pub fn hold_timers(amount: usize) {
        let timers = (0..amount).map(|_| bindings::wasi::clocks::monotonic_clock::subscribe_duration(1));
        std::mem::forget(timers.collect::<Vec<_>>());
    }

    pub fn random_bytes(amount: usize) -> usize {
        bindings::wasi::random::random::get_random_bytes(amount as u64).len()
    }
}

#[cfg(not(target_family = "wasm"))]
mod wasi {
    pub fn hold_timers(_: usize) {}

    pub fn random_bytes(_: usize) -> usize {
        0
    }
}
