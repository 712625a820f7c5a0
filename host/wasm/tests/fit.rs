//! What is refused at deployment, and what is said about it.

mod common;
#[path = "common/property.rs"]
mod property;

use std::path::{Path, PathBuf};

use common::{config, digest, guest};
use mandate_wasm::{Error, Misfit, Sandbox, inspect};
use tempfile::TempDir;

/// The smallest core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// The smallest component.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn misfit(bytes: &[u8]) -> String {
    inspect(bytes).unwrap_err().to_string()
}

#[test]
fn delegate_fits() {
    let fit = inspect(&guest("test_echo")).unwrap();
    assert!(fit.issues_commands);
    assert!(fit.imports.iter().any(|name| name == "mandate:delegate/commands@0.1.0"), "{:?}", fit.imports);
    assert!(inspect(&guest("test_hostile")).unwrap().issues_commands);
}

#[test]
fn wrong_world_is_told_what_it_imports_and_lacks() {
    let message = misfit(&guest("test_wrong_world"));
    for part in ["imports acme:payroll/ledger@1.0.0", "lacks the export execute", "it exports pay"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn network_is_refused_by_name() {
    let message = misfit(&guest("test_sockets"));
    assert!(message.contains("wasi:sockets/tcp@0.2") && message.contains("no network"), "{message}");
    assert!(!message.contains("wasi:io"), "{message}");
}

#[test]
fn what_is_no_component_is_told_what_it_is() {
    for (bytes, says) in [
        (b"hello, I am a text file".as_slice(), "text"),
        (b"", "an empty file"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x7fELF\x02\xff\xfe", "a native binary"),
        (b"\xff\xfe\xfd", "something else"),
        (CORE_MODULE, "core WebAssembly module"),
        (EMPTY_COMPONENT, "it exports nothing"),
        (b"\0asm", "damaged"),
    ] {
        let message = misfit(bytes);
        assert!(message.contains(says), "{says}: {message}");
    }
}

#[test]
fn too_large_is_refused_before_anything_is_read() {
    let message = misfit(&vec![0; mandate_wasm::MAX_COMPONENT_SIZE + 1]);
    assert!(message.contains("release mode"), "{message}");
}

#[test]
fn damaged_component_never_passes_nor_panics() {
    let good = guest("test_echo");
    // Every length of a cut and every place of a flipped byte in the structure, and a sample of those in the code.
    for cut in (0..2000).chain((2000..good.len()).step_by(4099)) {
        assert!(inspect(&good[..cut]).is_err(), "cut at {cut}");
    }
    for at in (0..500).chain((500..good.len()).step_by(997)) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // Flipped constants may leave a valid component; all that is asked is an answer.
        let _ = inspect(&bad);
    }
}

#[test]
fn contract_of_another_version_is_named() {
    // The same length, so that only the name changes.
    let bytes = replaced(guest("test_echo"), b"mandate:delegate/commands@0.1.0", b"mandate:delegate/commands@0.9.0");
    let message = misfit(&bytes);
    assert!(message.contains("commands@0.9.0") && message.contains("this host offers"), "{message}");
}

#[test]
fn contract_with_other_types_is_refused() {
    let bytes = replaced(guest("test_echo"), b"business-key", b"business-kez");
    let message = misfit(&bytes);
    assert!(message.contains("another type") || message.contains("other types"), "{message}");
}

#[tokio::test]
async fn misfit_is_never_compiled() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(config(&dir)).unwrap();
    for bytes in [guest("test_wrong_world"), guest("test_sockets"), CORE_MODULE.to_vec()] {
        let error = sandbox.prepare(&digest(&bytes), &bytes).await.err();
        assert!(matches!(error, Some(Error::Misfit(Misfit::WrongWorld { .. } | Misfit::CoreModule))), "{error:?}");
    }
    let files = std::fs::read_dir(dir.path().join("code")).unwrap().count();
    assert_eq!(files, 1, "only the key");
}

/// The smallest delegate, which has four core modules, a memory and a table, with a further module and so many instances of it.
fn grown(module: &[u8], instances: u32) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| [&[id], leb(u32::try_from(content.len()).unwrap()).as_slice(), content].concat();
    // Of module 4, without imports.
    let all = [leb(instances), [0, 4, 0].repeat(instances as usize)].concat();
    [corpus_file("fitting-component.hex"), section(1, &[CORE_MODULE, module].concat()), section(2, &all)].concat()
}

#[tokio::test]
async fn component_that_would_take_the_room_of_others_is_refused() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(config(&dir)).unwrap();
    let prepared = async |bytes: &[u8]| sandbox.prepare(&digest(bytes), bytes).await.map(drop);
    // Without anything, `(memory 0)`, `(table 0 funcref)`.
    for (module, most, what) in [
        ([].as_slice(), 96, "101 core module instances"),
        (&[5, 3, 1, 0, 0], 3, "5 Wasm linear memories"),
        (&[4, 4, 1, 0x70, 0, 0], 7, "9 tables"),
    ] {
        prepared(&grown(module, most)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let kept = || std::fs::read_dir(dir.path().join("code")).unwrap().count();
        let (before, error) = (kept(), prepared(&grown(module, most + 1)).await.unwrap_err());
        assert!(matches!(error, Error::Oversized(_)) && error.to_string().contains(what), "{what}: {error}");
        assert_eq!(kept(), before, "what no call can use is not kept");
    }
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// The files of the corpus, which hold bytes in hexadecimal; the fuzz target begins with the same.
fn corpus() -> Vec<Vec<u8>> {
    let names = std::fs::read_dir(corpus_folder()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| corpus_file(name.to_str().unwrap())).collect()
}

fn corpus_file(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(corpus_folder().join(name)).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn corpus_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn corpus_is_accepted_or_refused_shortly_whatever_is_changed_in_it() {
    let corpus = corpus();
    assert!(corpus.iter().any(|bytes| inspect(bytes).is_ok()), "one of them fits");
    for bytes in corpus {
        property::component(&bytes);
        for at in 0..bytes.len() {
            property::component(&bytes[..at]);
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            property::component(&other);
        }
    }
}

#[test]
fn many_wrong_imports_are_told_shortly() {
    // As text: (component (type (instance)) (import "a:b/cN" (instance (type 0))) …), each with a long name.
    let imports = 900_u32;
    let mut section = leb(imports);
    for n in 0..imports {
        let name = format!("acme:{}/n{n}", "x".repeat(200));
        section.push(0);
        section.extend(leb(u32::try_from(name.len()).unwrap()));
        section.extend(name.bytes());
        // An instance of type 0.
        section.extend([5, 0]);
    }
    let mut bytes = EMPTY_COMPONENT.to_vec();
    // One type: an instance without anything.
    bytes.extend([7, 3, 1, 0x42, 0, 10]);
    bytes.extend(leb(u32::try_from(section.len()).unwrap()));
    bytes.extend(section);
    let message = misfit(&bytes);
    assert!(message.contains("imports acme:") && message.contains("more"), "{message}");
    property::component(&bytes);
}

/// An unsigned number as WebAssembly writes it.
fn leb(mut n: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(n & 0x7f).unwrap();
        n >>= 7;
        bytes.push(if n == 0 { low } else { low | 0x80 });
        if n == 0 {
            return bytes;
        }
    }
}
