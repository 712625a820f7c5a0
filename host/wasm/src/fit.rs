//! Whether a component fits the world `delegate`, found out without compiling it.

use std::fmt;

use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem, ComponentTypeId};
use wasmparser::types::Types;
use wasmparser::{Encoding, FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::bindings::COMPONENT_TYPE;
use crate::compile::MAX_COMPONENT_SIZE;
use crate::outcome::cut;
use crate::world::WASI_INTERFACES;

/// The interface through which a delegate acts on the world.
const COMMANDS: &str = "mandate:delegate/commands";
/// What every WebAssembly file begins with.
const MAGIC: &[u8] = b"\0asm";

/// As many imports and exports that do not fit are told: who has more has the wrong component, and a hostile one must not make an answer
/// as large as itself.
const MAX_PROBLEMS: usize = 20;

/// As much of a name, or of the validator's words about one, is repeated, in bytes.
const MAX_SHOWN: usize = 200;

/// What a component that fits looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The names of its imports, in its own order.
    pub imports: Vec<String>,
    /// Whether it imports `mandate:delegate/commands`: if not, it cannot issue any, whatever its mandate.
    pub issues_commands: bool,
}

/// Why bytes are not a delegate, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Larger than [`MAX_COMPONENT_SIZE`].
    #[error("it has {size} bytes, more than the {MAX_COMPONENT_SIZE} allowed: build it in release mode and strip it")]
    TooLarge {
        /// In bytes.
        size: usize,
    },
    /// Not WebAssembly.
    #[error("it is not WebAssembly but {seen}: deploy what your toolchain writes, e.g. target/wasm32-wasip2/release/NAME.wasm")]
    NotWasm {
        /// What it looks like.
        seen: &'static str,
    },
    /// WebAssembly, but a core module.
    #[error("it is a core WebAssembly module, not a component: build it for wasm32-wasip2, or wrap it with `wasm-tools component new`")]
    CoreModule,
    /// A component that breaks the rules of the format.
    #[error("it is damaged or uses features that are not offered: {message} (at byte {offset})")]
    Malformed {
        /// The validator's words.
        message: String,
        /// From the start of the file.
        offset: u64,
    },
    /// A component, but not of the world `delegate`.
    #[error("it does not fit the world mandate:delegate/delegate: {}", Problems(.problems))]
    WrongWorld {
        /// One sentence for each import or export that does not fit, of the first twenty; how many more there are.
        problems: Vec<String>,
    },
}

struct Problems<'a>(&'a [String]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Says whether the bytes are a delegate, without compiling them: what they are, what they import, whether imports and
/// exports have the types of the WIT world. Takes some ms per MiB, so not on an async thread.
///
/// # Errors
/// Everything that does not fit, at once, each with what to do about it.
pub fn inspect(bytes: &[u8]) -> Result<Fit, Misfit> {
    if bytes.len() > MAX_COMPONENT_SIZE {
        return Err(Misfit::TooLarge { size: bytes.len() });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(Misfit::NotWasm { seen: looks_like(bytes) });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Misfit::CoreModule);
    }
    let mut validator = Validator::new_with_features(WasmFeatures::default());
    let contract = Contract::read(&mut validator);
    validator.reset();
    let component = Component::read(&mut validator, bytes)?;
    let mut found = import_problems(&component, &contract).chain(export_problems(&component, &contract));
    let mut problems: Vec<String> = found.by_ref().take(MAX_PROBLEMS).collect();
    let more = found.count();
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    if !problems.is_empty() {
        return Err(Misfit::WrongWorld { problems });
    }
    let issues_commands = component.imports.iter().any(|name| name.split('@').next() == Some(COMMANDS));
    Ok(Fit { imports: component.imports, issues_commands })
}

/// The WIT world, as types to compare with. It is what `bindgen!` encoded of the files that the guests are built from.
struct Contract {
    types: Types,
    world: ComponentTypeId,
}

impl Contract {
    fn read(validator: &mut Validator) -> Self {
        const WELL_FORMED: &str = "bindgen! encodes the world as a component that exports one component type of one component";
        let types = validator.validate_all(COMPONENT_TYPE).expect(WELL_FORMED);
        let package = types.as_ref().component_item_for_export("delegate").map(|item| item.ty);
        let Some(ComponentEntityType::Type { referenced: ComponentAnyTypeId::Component(package), .. }) = package else {
            panic!("{WELL_FORMED}");
        };
        let world = types[package].exports.values().next().map(|item| item.ty);
        let Some(ComponentEntityType::Component(world)) = world else {
            panic!("{WELL_FORMED}");
        };
        Self { types, world }
    }

    fn imports(&self) -> impl Iterator<Item = (&String, &ComponentItem)> {
        self.types[self.world].imports.iter()
    }

    fn exports(&self) -> impl Iterator<Item = (&String, &ComponentItem)> {
        self.types[self.world].exports.iter()
    }
}

/// What is looked at of a component.
struct Component {
    imports: Vec<String>,
    exports: Vec<String>,
    types: Types,
}

impl Component {
    /// Validates everything, and notes the names of imports and exports of the outermost component.
    fn read(validator: &mut Validator, bytes: &[u8]) -> Result<Self, Misfit> {
        let malformed = |error: wasmparser::BinaryReaderError| Misfit::Malformed {
            message: cut(error.message(), MAX_SHOWN),
            offset: error.offset() as u64,
        };
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        let mut functions = FuncValidatorAllocations::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(malformed)?;
            match &payload {
                Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section.clone() {
                        imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section.clone() {
                        exports.push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            match validator.payload(&payload).map_err(malformed)? {
                ValidPayload::Func(function, body) => {
                    let mut function = function.into_validator(std::mem::take(&mut functions));
                    function.validate(&body).map_err(malformed)?;
                    functions = function.into_allocations();
                }
                ValidPayload::End(types) => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Self { imports, exports, types });
                    }
                }
                ValidPayload::Ok | ValidPayload::Parser(_) => {}
            }
        }
        Err(Misfit::Malformed { message: "it ends too early".to_owned(), offset: bytes.len() as u64 })
    }
}

fn import_problems<'a>(component: &'a Component, contract: &'a Contract) -> impl Iterator<Item = String> + 'a {
    component.imports.iter().filter_map(|name| {
        if let Some((_, offered)) = contract.imports().find(|(offered, _)| *offered == name) {
            let wanted = component.types.as_ref().component_item_for_import(name)?;
            // What is offered may have more in it than what is wanted.
            return (!fits(&offered.ty, &contract.types, &wanted.ty, &component.types))
                .then(|| format!("its import {name} has other types than this host's: build it against the WIT files of this version"));
        }
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        if WASI_INTERFACES.contains(&interface) && version.starts_with("0.2.") {
            return None;
        }
        Some(format!("it imports {}: {}", cut(name, MAX_SHOWN), advice(interface, version, contract)))
    })
}

fn export_problems<'a>(component: &'a Component, contract: &'a Contract) -> impl Iterator<Item = String> + 'a {
    contract.exports().filter_map(|(name, wanted)| {
        let Some(offered) = component.types.as_ref().component_item_for_export(name) else {
            let instead = if component.exports.is_empty() { "nothing".to_owned() } else { cut(&component.exports.join(", "), MAX_SHOWN) };
            return Some(format!("it lacks the export {name} (it exports {instead}): build it against the world `delegate`"));
        };
        (!fits(&offered.ty, &component.types, &wanted.ty, &contract.types)).then(|| {
            format!("its export {name} has another type than the world `delegate` says: build it against the WIT files of this version")
        })
    })
}

fn fits(offered: &ComponentEntityType, of: &Types, wanted: &ComponentEntityType, by: &Types) -> bool {
    ComponentEntityType::is_subtype_of(offered, of.as_ref(), wanted, by.as_ref())
}

/// What to do about an import that nothing offers.
fn advice(interface: &str, version: &str, contract: &Contract) -> String {
    let package = interface.split('/').next().unwrap_or_default();
    match package {
        "wasi:sockets" | "wasi:http" | "wasi:tls" => {
            "a delegate has no network; let it issue a domain command, which the host sends, or remove the dependency that wants to connect"
                .to_owned()
        }
        "mandate:delegate" => {
            let offered: Vec<&str> = contract.imports().map(|(name, _)| name.as_str()).collect();
            format!("this host offers {}; build it against that version of the WIT files", offered.join(", "))
        }
        _ if WASI_INTERFACES.contains(&interface) => {
            let version = cut(version, MAX_SHOWN);
            format!("this host offers version 0.2, not {version}; build it for WASI 0.2, e.g. for wasm32-wasip2")
        }
        _ => "nothing here offers that; a delegate may import mandate:delegate and, of WASI 0.2, cli, clocks, filesystem, io and random; remove \
              the dependency that imports it"
            .to_owned(),
    }
}

fn looks_like(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        "an empty file"
    } else if bytes.starts_with(b"PK\x03\x04") {
        "a zip archive"
    } else if bytes.starts_with(b"\x7fELF") {
        "a native binary"
    } else if std::str::from_utf8(bytes).is_ok() {
        "text"
    } else {
        "something else"
    }
}
