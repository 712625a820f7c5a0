//! Compiled code on disk. Loading machine code means running it, so a file is believed only if this host's key vouches for it.
//!
//! A file is named `<digest>-<engine>.cwasm`, where `<engine>` is a hash of everything that decides whether code fits the engine, and
//! contains an HMAC-SHA256 of name and code, then the code. What does not verify (damaged, moved, foreign) is as good as absent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::hex;
use crate::error::Error;

/// The file with the key, beside the code. Never in the database: who can write there must not be able to vouch for code.
const KEY_FILE: &str = "key";
const KEY_SIZE: usize = 32;
const TAG_SIZE: usize = 32;

/// A private directory of compiled code.
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_SIZE],
    engine: String,
    temporaries: AtomicU64,
}

impl Cache {
    pub(crate) fn open(dir: PathBuf, key: Option<[u8; KEY_SIZE]>, engine: &Engine) -> Result<Self, Error> {
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |cause: std::io::Error| Error::Cache { path, cause: cause.to_string() }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(at(&dir))?;
        // Also when somebody else made it: nobody but the owner may put code here.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(at(&dir))?;
        let key = match key {
            Some(key) => key,
            None => read_or_make_key(&dir.join(KEY_FILE)).map_err(at(&dir.join(KEY_FILE)))?,
        };
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir, key, engine: hex(&hasher.finish().to_be_bytes()), temporaries: AtomicU64::new(0) })
    }

    /// The component's code, if a file of this host's own making has it.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let name = self.name(digest);
        let bytes = match fs::read(self.dir.join(&name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = name, %error, "cannot read compiled code; compiling it again");
                return None;
            }
        };
        let (tag, code) = bytes.split_at_checked(TAG_SIZE)?;
        if self.mac(&name, code).verify_slice(tag).is_err() {
            tracing::warn!(file = name, "compiled code was not written by this host or is damaged; compiling it again");
            return None;
        }
        deserialize(engine, code)
            .inspect_err(|error| tracing::warn!(file = name, %error, "compiled code does not load; compiling it again"))
            .ok()
    }

    /// Keeps code. A cache that cannot be written costs time, not correctness, so trouble is only logged.
    pub(crate) fn store(&self, digest: &str, code: &[u8]) {
        let name = self.name(digest);
        if let Err(error) = self.write(&name, code) {
            tracing::warn!(file = name, %error, "cannot keep compiled code; it will be compiled again after a restart");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let tag = self.mac(name, code).finalize().into_bytes();
        let turn = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{name}.{}-{turn}.new", std::process::id()));
        let mut file = private_file(&temporary)?;
        let written = file.write_all(&tag).and_then(|()| file.write_all(code));
        // A file is complete or not there. One that a crash of the machine tears does not verify, so nothing is synced.
        written.and_then(|()| fs::rename(&temporary, self.dir.join(name))).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{}.cwasm", self.engine)
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(name.as_bytes());
        // Ends the name, so that no byte of it can pass for code.
        mac.update(&[0]);
        mac.update(code);
        mac
    }
}

/// Makes code callable that this host has just compiled or vouched for.
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[allow(
        unsafe_code,
        reason = "unsafe because arbitrary bytes would be run as machine code; these come from our own compiler, directly or \
                  from a file that carries a MAC under this host's key, and were read into memory before that was verified"
    )]
    unsafe {
        Component::deserialize(engine, code)
    }
}

/// Whoever comes first makes the key; it appears under its name complete or not at all, however many start at once.
fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_SIZE]> {
    let mut key = [0; KEY_SIZE];
    if !path.exists() {
        static TURN: AtomicU64 = AtomicU64::new(0);
        let temporary = path.with_extension(format!("{}-{}", std::process::id(), TURN.fetch_add(1, Ordering::Relaxed)));
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        let made = private_file(&temporary).and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()));
        // Unlike a rename, a link never replaces what another process has put there meanwhile.
        let linked = made.and_then(|()| fs::hard_link(&temporary, path));
        let _ = fs::remove_file(&temporary);
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    File::open(path)?.read_exact(&mut key)?;
    Ok(key)
}

/// A new file that only its owner can read.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn many_that_start_at_once_have_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        let start = std::sync::Barrier::new(16);
        let keys: BTreeSet<_> = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                read_or_make_key(&path).unwrap()
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(keys.len(), 1);
        assert_ne!(keys.first(), Some(&[0; KEY_SIZE]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "temporary files are left");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
