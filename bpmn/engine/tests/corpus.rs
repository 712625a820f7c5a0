//! Stored instances, whole and damaged. The fuzz target begins with the same files.

#[path = "common/property.rs"]
mod property;

use std::path::Path;

/// The bytes of the files beside this one, which hold them in hexadecimal.
fn stored() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let hex = files.filter(|path| path.extension().is_some_and(|ending| ending == "hex"));
    hex.map(|path| {
        let text: String = std::fs::read_to_string(path).expect("readable").split_whitespace().collect();
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
    })
    .collect()
}

#[test]
fn whole_ones_hold() {
    let stored = stored();
    assert!(stored.len() >= 2);
    for bytes in stored {
        property::snapshot(&bytes);
    }
}

#[test]
fn every_byte_may_be_another() {
    for bytes in stored() {
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                property::snapshot(&damaged);
            }
        }
    }
}
