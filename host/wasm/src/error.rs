//! What can go wrong before a delegate is ever called.

use std::time::Duration;

use crate::fit::Misfit;

/// Why a sandbox or a delegate could not be made ready. A call itself never fails like this: it ends in an
/// [`Outcome`](crate::Outcome).
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The component is not a delegate.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The bytes are not those that the digest names: a damaged artifact.
    #[error("the component's bytes have the digest {found}, not {expected}: the stored artifact is damaged")]
    Digest {
        /// The SHA-256 asked for, in hex.
        expected: String,
        /// The SHA-256 of the bytes, in hex.
        found: String,
    },
    /// The compiler refused the component; the text says why.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// The component has more modules, memories or tables than a call may have, or larger ones; the text says which.
    #[error("the component is larger than a call may be, so compose it of fewer and smaller modules: {0}")]
    Oversized(String),
    /// The compiler did not come to an end.
    #[error("the component took longer than {} s to compile", .0.as_secs())]
    CompileTimeout(Duration),
    /// The compiler's process could not be run.
    #[error("the compiler process failed: {0}")]
    Compiler(String),
    /// The compiler's process died, as one does that exceeds its limits of memory or CPU time.
    #[error("the compiler process died: {0}")]
    CompilerDied(String),
    /// The compiler's code is not for this engine: the compiler is another program than this host; the text says in what they differ.
    #[error("the code that the compiler made does not load here, so the compiler is not of this host's version: {0}")]
    Foreign(String),
    /// The directory for compiled code, or the key in it, cannot be used.
    #[error("the code cache {path} cannot be used: {cause}")]
    Cache {
        /// The directory or file.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
}

impl Error {
    /// Whether nothing is said of the component: another host, or this one when it is repaired or less busy, may make it ready.
    pub fn is_the_hosts(&self) -> bool {
        match self {
            Self::Misfit(_) | Self::Digest { .. } | Self::Compile(_) | Self::Oversized(_) => false,
            // As a rule it is the component that is too much for the compiler: tried without an end it would keep all others from it.
            Self::CompileTimeout(_) | Self::CompilerDied(_) => false,
            Self::Compiler(_) | Self::Foreign(_) | Self::Cache { .. } | Self::Engine(_) => true,
        }
    }
}
