//! The empty world that WASI imports see: no files, no environment, no network; randomness and wall clock as given.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rand_core::TryRng;
use sha2::{Digest, Sha256};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::call::{Level, World};
use crate::log::{Log, LogStream};

/// Every WASI interface that is linked, as it appears in a component's imports before the `@0.2.x`. Sockets and HTTP are not among
/// them: a component that imports them is refused.
pub(crate) const WASI_INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The most random bytes that one call to the host may ask for: seeds and keys need 32, and the host allocates them.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// Links exactly [`WASI_INTERFACES`].
pub(crate) fn add_to_linker<T: WasiView + Send + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<T, Table>(linker, |t| t.ctx().table)?;
    io::poll::add_to_linker::<T, Table>(linker, |t| t.ctx().table)?;
    io::streams::add_to_linker::<T, Table>(linker, |t| t.ctx().table)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    random::random::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    Ok(())
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// The world of one call. The monotonic clock starts at zero when the guest first asks for anything of it, and really runs, so that
/// measuring and sleeping work; sleeping counts as wall time.
pub(crate) fn wasi(world: &World, log: &Arc<Log>) -> WasiCtx {
    let insecure_seed = block(&world.seed, b"insecure-seed", 0);
    WasiCtxBuilder::new()
        .stdout(LogStream { log: Arc::clone(log), level: Level::Info })
        .stderr(LogStream { log: Arc::clone(log), level: Level::Warn })
        .secure_random(Random::new(world.seed, b"random"))
        .insecure_random(Random::new(world.seed, b"insecure"))
        .insecure_random_seed(u128::from_le_bytes(insecure_seed[..16].try_into().expect("half of a digest has 16 bytes")))
        .max_random_size(MAX_RANDOM_BYTES)
        .wall_clock(FixedClock(Duration::from_millis(u64::try_from(world.wall_clock_ms).unwrap_or_default())))
        .build()
}

/// Always the same moment.
struct FixedClock(Duration);

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// SHA-256 over seed and a counter. A library's generator may change with its version, and then an old call could not be replayed.
struct Random {
    seed: [u8; 32],
    domain: &'static [u8],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    fn new(seed: [u8; 32], domain: &'static [u8]) -> Self {
        Self { seed, domain, counter: 0, block: [0; 32], used: 32 }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.block.len() {
                self.block = block(&self.seed, self.domain, self.counter);
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }
}

fn block(seed: &[u8; 32], domain: &[u8], counter: u64) -> [u8; 32] {
    Sha256::new().chain_update(domain).chain_update(seed).chain_update(counter.to_le_bytes()).finalize().into()
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_stay_what_they_were() {
        // Yesterday's bytes: a call that was recorded with them must see them again.
        // The first eight bytes, little-endian, of SHA-256("random" || seed || 0).
        const PINNED: u64 = 437_055_083_031_887_603;
        let mut random = Random::new([7; 32], b"random");
        assert_eq!(random.try_next_u64(), Ok(PINNED));
        let mut pieces = Random::new([7; 32], b"random");
        let mut bytes = [0; 8];
        pieces.fill(&mut bytes[..3]);
        pieces.fill(&mut bytes[3..]);
        assert_eq!(u64::from_le_bytes(bytes), PINNED);
    }
}
