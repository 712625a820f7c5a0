//! What can go wrong before a delegate is ever called.

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
    /// The compiler's process could not be run or do its work, was ended by somebody, or did not come to an end on a machine that is busy.
    #[error("the compiler process failed: {0}")]
    Compiler(String),
    /// The compiler's process died of the component: it had no memory or CPU time left of what a component may need, or met a bug.
    #[error("the component is too much for the compiler, whose process exceeded its memory or CPU time, or met a bug: {0}")]
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
    /// Whether nothing is said of the component: another host, or this one when it is repaired or less busy, may make it ready. A component
    /// that is too much for the compiler is itself at fault: tried without an end it would keep all others from being compiled.
    pub fn is_the_hosts(&self) -> bool {
        match self {
            Self::Misfit(_) | Self::Digest { .. } | Self::Compile(_) | Self::Oversized(_) | Self::CompilerDied(_) => false,
            Self::Compiler(_) | Self::Foreign(_) | Self::Cache { .. } | Self::Engine(_) => true,
        }
    }
}
