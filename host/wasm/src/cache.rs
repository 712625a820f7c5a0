//! Compiled code on disk. Loading machine code means running it, so a file is believed only if this host's key vouches for it.
//!
//! A file is named `<digest>-<engine>.cwasm`, where `<engine>` is a hash of everything that decides whether code fits the engine, and
//! contains an HMAC-SHA256 of name and code, then the code. What does not verify (damaged, moved, foreign) is as good as absent.
//!
//! Hosts of one user may share a directory, also while one after another is upgraded. So what another version's engine has compiled goes
//! only when no host has loaded it for a month, and what nobody has finished writing when it is a day old. What this engine has compiled
//! stays.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::Error;

/// The file with the key, beside the code. Never in the database: who can write there must not be able to vouch for code.
const KEY_FILE: &str = "key";
/// How a file's name ends while it is written.
const UNFINISHED: &str = ".new";
const KEY_SIZE: usize = 32;
const TAG_SIZE: usize = 32;

/// Code of another engine goes when it was not loaded for so long: no rolling upgrade takes a month, and who goes back to the old version
/// later has it compiled again.
const KEEP_FOREIGN: Duration = Duration::from_hours(30 * 24);
/// What is written under a temporary name, which takes seconds, goes when it is so old: a crash has left it.
const KEEP_UNFINISHED: Duration = Duration::from_hours(24);

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
        let cache = Self { dir, key, engine: hex::encode(hasher.finish().to_be_bytes()), temporaries: AtomicU64::new(0) };
        cache.tidy(SystemTime::now());
        Ok(cache)
    }

    /// Removes what nobody will load any more. What cannot be removed only takes room.
    fn tidy(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(keep) = name.to_str().and_then(|name| self.keep(name)) else { continue };
            let touched = entry.metadata().and_then(|file| file.modified());
            if touched.is_ok_and(|touched| now.duration_since(touched).is_ok_and(|age| age > keep))
                && let Err(error) = fs::remove_file(entry.path())
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = ?name, %error, "cannot remove compiled code that nobody uses");
            }
        }
    }

    /// For how long a file is kept that nobody touches; none: for ever.
    fn keep(&self, name: &str) -> Option<Duration> {
        if let Some(name) = name.strip_suffix(UNFINISHED) {
            return (name.contains(".cwasm.") || name.starts_with(KEY_FILE)).then_some(KEEP_UNFINISHED);
        }
        let (_, engine) = name.strip_suffix(".cwasm")?.rsplit_once('-')?;
        (engine != self.engine).then_some(KEEP_FOREIGN)
    }

    /// The component's code, if a file of this host's own making has it.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let name = self.name(digest);
        let path = self.dir.join(&name);
        let bytes = match fs::read(&path) {
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
        // So that a host of another version sees that it is used.
        let touched = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            tracing::debug!(file = name, %error, "cannot say that compiled code is used");
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
        let temporary = self.dir.join(format!("{name}.{}-{turn}{UNFINISHED}", std::process::id()));
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
        let temporary = path.with_extension(format!("{}-{}{UNFINISHED}", std::process::id(), TURN.fetch_add(1, Ordering::Relaxed)));
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

    #[test]
    fn what_a_crash_has_left_and_what_no_version_loads_any_more_goes() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(dir.path().to_owned(), None, &engine).unwrap();
        let now = SystemTime::now();
        let (own, foreign) = (cache.name("d1"), "d1-0000.cwasm".to_owned());
        let make = |name: &str, age: Duration| {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(now - age).unwrap();
        };
        let (hour, month) = (Duration::from_hours(1), KEEP_FOREIGN);
        make(&own, 12 * month);
        make(&foreign, month + hour);
        make("d2-0000.cwasm", month / 2);
        make(&format!("{own}.4711-0{UNFINISHED}"), KEEP_UNFINISHED + hour);
        make(&format!("{own}.4711-1{UNFINISHED}"), KEEP_UNFINISHED / 2);
        make("of somebody else.new", 12 * month);
        Cache::open(dir.path().to_owned(), None, &engine).unwrap();
        let left: BTreeSet<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let expected = [KEY_FILE, "d2-0000.cwasm", &own, &format!("{own}.4711-1{UNFINISHED}"), "of somebody else.new"];
        assert_eq!(left, expected.map(str::to_owned).into());
    }

    /// A component without anything.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn code_that_is_loaded_is_not_taken_for_unused() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(dir.path().to_owned(), None, &engine).unwrap();
        cache.store("d1", &engine.precompile_component(EMPTY).unwrap());
        let path = dir.path().join(cache.name("d1"));
        let long_ago = SystemTime::now() - 2 * KEEP_FOREIGN;
        File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        assert!(cache.load(&engine, "d1").is_some());
        assert!(fs::metadata(&path).unwrap().modified().unwrap() > long_ago + KEEP_FOREIGN);
    }
}
