//! One process per SQLite file.
//!
//! SQLite would let several processes write, but hosts on one file would fence each other by a lease for nothing: whoever holds
//! the lock is the only host, for as long as its process lives. The lock is the kernel's and ends with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::Error;

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

/// The one path of a database file, whatever links lead to it: its lock is beside it under that name. A file that is not there yet is named
/// by its folder.
pub(crate) fn resolved(database: &Path) -> Result<PathBuf, Error> {
    let failed = |path: &Path, message: String| Error::File { path: path.display().to_string(), message };
    match database.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found.map_err(|error| failed(database, error.to_string())),
    }
    if database.is_symlink() {
        let message = "it is a link to a file that is not there; name the file itself, or make it".to_owned();
        return Err(failed(database, message));
    }
    let Some(name) = database.file_name() else {
        return Err(failed(database, "a database is a file; give it a name".to_owned()));
    };
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize().map_err(|error| failed(folder, error.to_string()))?.join(name))
}

impl FileLock {
    /// Takes the lock beside a database file, named as [`resolved`] does, or says who has it.
    pub(crate) fn acquire(database: &Path) -> Result<Self, Error> {
        let path = lock_path(database);
        let failed = |error: std::io::Error| Error::File { path: path.display().to_string(), message: error.to_string() };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Unreadable or not yet written: the refusal stands without a name.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "unknown pid" } else { holder.trim() };
                return Err(Error::Locked { path: database.display().to_string(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "pid {}", std::process::id()).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The file stays: deleting it would let two processes lock two files of the same name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a.db");
        let first = FileLock::acquire(&database).expect("free");
        let error = FileLock::acquire(&database).expect_err("taken").to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(first);
        FileLock::acquire(&database).expect("free again");
    }

    #[test]
    fn a_relative_path_is_that_of_the_working_folder() {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).expect("a folder");
        for (path, name) in [("new.db", "new.db"), ("./new.db", "new.db"), ("src/../Cargo.toml", "Cargo.toml")] {
            assert_eq!(resolved(Path::new(path)).expect(path), here.join(name));
        }
        for path in ["", "no-such-folder/new.db", "no-such-folder/.."] {
            let answer = resolved(Path::new(path));
            assert!(matches!(answer, Err(Error::File { .. })), "{path}: {answer:?}");
        }
    }
}
