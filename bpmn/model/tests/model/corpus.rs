//! Small files, good and bad, and random changes to the good ones.

use crate::common;
use crate::property;
use std::fs;
use std::path::{Path, PathBuf};

use mandate_model::{Severity, parse};
use proptest::prelude::*;

/// The BPMN files of a directory beside this crate's manifest, by name.
fn files(directory: &str) -> Vec<(String, Vec<u8>)> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bpmn"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no files", directory.display());
    files
}

#[test]
fn good_files_parse_without_a_word() {
    for (name, bytes) in files("corpus/good") {
        assert_eq!(common::diagnostics(&bytes), "fine\n", "{name}");
    }
}

#[test]
fn shipped_processes_parse_without_a_word() {
    for (name, bytes) in files("../processes") {
        assert_eq!(common::diagnostics(&bytes), "fine\n", "{name}");
    }
}

/// A bad file says in its first line, in a comment, a part of what its diagnostics must say.
#[test]
fn bad_files_are_refused_for_what_is_bad_in_them() {
    for (name, bytes) in files("corpus/bad") {
        let said = parse(&name, &bytes).expect_err(&name);
        assert!(said.iter().any(|diagnostic| diagnostic.severity == Severity::Error), "{name}");
        let text = String::from_utf8_lossy(&bytes);
        let expected = text.lines().next().and_then(|line| line.strip_prefix("<!-- ")?.strip_suffix(" -->"));
        let expected = expected.unwrap_or_else(|| panic!("{name} does not say what is bad in it"));
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains(expected)), "{name}: expected '{expected}' in {said:#?}");
    }
}

/// The fuzz targets begin with the same files.
#[test]
fn the_corpus_is_harmless() {
    for (_, bytes) in ["corpus/good", "corpus/bad", "../processes"].into_iter().flat_map(files) {
        property::model(&bytes);
    }
    let times = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/time");
    for entry in fs::read_dir(times).unwrap() {
        property::moment(fs::read_to_string(entry.unwrap().path()).unwrap().trim_end());
    }
}

/// One change to a file.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, prop::sample::Index, usize),
    Truncate(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    use prop::sample::Index;
    let pieces = prop::sample::select(vec![
        "<",
        ">",
        "/>",
        "</",
        "&",
        ";",
        "'",
        "\"",
        "=",
        "&lt;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "<!DOCTYPE x>",
        "\0",
        "\u{feff}",
        "${",
        "}",
        "bpmn:",
        "<bpmn:startEvent id='x'/>",
        "<bpmn:subProcess id='x'>",
        " default='x'",
        " xmlns=''",
        " xmlns:bpmn=''",
        "é",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), pieces).prop_map(|(at, piece)| Change::Insert(at, piece.as_bytes().to_vec())),
        (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), any::<Index>(), 1..200_usize).prop_map(|(from, to, length)| Change::Repeat(from, to, length)),
        any::<Index>().prop_map(Change::Truncate),
    ]
}

/// What dates, cycles and cron expressions are made of.
fn time_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "R",
        "R3/",
        "R999999999999/",
        "/",
        "P",
        "PT",
        "P1M",
        "PT1H",
        "PT0.001S",
        "P9999Y",
        "T",
        "1D",
        "2026-03-29",
        "T02:30:00",
        "Z",
        "+02:00",
        "[Europe/Berlin]",
        "[",
        "]",
        "-",
        "0 ",
        "* ",
        "? ",
        "*/7 ",
        "0/5 ",
        "59 ",
        "29 ",
        "31 ",
        "L ",
        "L-3 ",
        "LW ",
        "15W ",
        "FEB ",
        "2 ",
        "MON-FRI ",
        "5L ",
        "7#5 ",
        "1,15 ",
        "2028 ",
        "0 0 0 ",
        "0 30 2 ",
        "@daily",
        " ",
    ])
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece.iter().copied());
        }
        Change::Remove(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Change::Repeat(from, to, length) => {
            let from = from.index(bytes.len());
            let to = to.index(bytes.len());
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, piece);
        }
        Change::Truncate(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_never_panic(file in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let files = files("corpus/good");
        let mut bytes = files[file.index(files.len())].1.clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        property::model(&bytes);
    }

    #[test]
    fn texts_like_times_never_panic(pieces in prop::collection::vec(time_piece(), 1..12), random in "[-0-9A-Z*/?,#@| \\[\\]:+.]{0,40}") {
        property::moment(&pieces.concat());
        property::moment(&random);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        property::model(&bytes);
    }
}
