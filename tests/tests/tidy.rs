//! The conventions of this repository, held by tests: who may name which library, what is absent where, what documents must say.
//!
//! A rule is a function from files to findings; a finding says where, what, and what to do. A test for each rule looks at the repository,
//! and at a planted file that breaks the rule, so that a rule which finds nothing because it looks at nothing fails. To add a rule, add
//! both. Exceptions stand in tables, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/source.rs"]
mod source;

use source::{File, TEXT_MARK, code, files, lines_with, root};

/// Longer than this, a file has more than one subject.
const MAX_LINES: usize = 600;

/// Files that are longer for a reason, with the most they may have.
const LONG: &[(&str, usize, &str)] = &[];

/// What a line of a comment may have, in characters: what rustfmt allows a line of code.
const MAX_COMMENT_WIDTH: usize = 140;

/// A line of code knows its room: which words stand in which folders only.
const ROOMS: &[(&str, &[&str], &str)] = &[
    // The benchmark's floor is sqlx without an engine, and it looks at the database from outside the host.
    ("sqlx*", &["host/store/", "examples/order-service/", "tests/bench/"], "ask the store, or add a query to host/store/src/query"),
    ("wasmtime*", &["host/wasm/"], "use what mandate-wasm offers"),
    ("wasmparser", &["host/wasm/"], "use `mandate_wasm::inspect`"),
    ("axum*", &["host/http/", "examples/order-service/"], "put HTTP into host/http"),
    (
        "reqwest",
        &["host/commands/", "host/cli/", "examples/", "tests/"],
        "let mandate-commands send it: the host sends domain commands only",
    ),
    ("quick_xml", &["bpmn/model/"], "parse XML in bpmn/model"),
    ("anyhow", &["host/cli/", "tests/"], "use the module's own `Error` enum"),
];

/// What must not stand in the sources of the crates that decide, and why.
const ABSENT_IN_BPMN: &[(&str, &str)] = &[
    ("tokio*", "no runtime: the engine is a function"),
    ("async", "nothing waits: return an effect"),
    ("await", "nothing waits: return an effect"),
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("::now", "time is an argument"),
    ("std::fs", "no files: take bytes"),
    ("std::net", "no network"),
    ("std::io", "no input or output: return values"),
    ("std::env", "no environment: take arguments"),
    ("std::process", "no processes"),
    ("std::thread", "no threads"),
    ("println", "no output: return values"),
    ("eprintln", "no output: return values"),
    ("rand", "no randomness: derive it from a digest of what is known"),
    ("rand_core", "no randomness: derive it from a digest of what is known"),
    ("fastrand", "no randomness: derive it from a digest of what is known"),
    ("getrandom", "no randomness: derive it from a digest of what is known"),
    ("now_v7", "ids are arguments or come from the instance's counter"),
    ("new_v4", "ids are arguments or come from the instance's counter"),
];

/// Which crates of the repository a crate may depend on. Arrows run one way: cli → http → runtime → {store, wasm, commands, engine} → model
/// → feel.
const ARROWS: &[(&str, &[&str])] = &[
    ("mandate-feel", &[]),
    ("mandate-model", &["mandate-feel"]),
    ("mandate-engine", &["mandate-model", "mandate-feel"]),
    ("mandate-store", &[]),
    ("mandate-wasm", &[]),
    ("mandate-commands", &[]),
    ("mandate-runtime", &["mandate-engine", "mandate-model", "mandate-feel", "mandate-store", "mandate-wasm", "mandate-commands"]),
    ("mandate-http", &["mandate-runtime"]),
    ("mandate", &["mandate-http", "mandate-runtime"]),
    ("mandate-tests", &[]),
    ("mandate-bench", &["mandate-http", "mandate-runtime", "mandate-engine", "mandate-model", "mandate-tests"]),
    ("order-service", &[]),
    ("mandate-sdk", &[]),
    // Whatever parses foreign bytes.
    (
        "mandate-fuzz",
        &["mandate-feel", "mandate-model", "mandate-engine", "mandate-commands", "mandate-wasm", "mandate-runtime", "mandate-http"],
    ),
];

/// Tests wait for a condition or take time as an argument. These sleep.
const SLEEPERS: &[(&str, &str)] = &[
    ("examples/order-service/tests/kill.rs", "the moment of a kill"),
    ("examples/order-service/tests/common/mod.rs", "polls a condition over HTTP"),
    ("host/commands/tests/commands/support/mod.rs", "a service that drips its answer slower than any timeout"),
    ("host/http/src/connections.rs", "an answer that takes ten minutes, under a paused clock"),
    ("host/runtime/src/executor/tests.rs", "polls a condition of the store"),
    ("host/runtime/tests/runtime/common/mod.rs", "polls a condition of the store"),
    ("host/wasm/tests/calls.rs", "a command whose duration is what is measured"),
    ("tests/bench/src/database.rs", "polls a condition of the database server"),
    ("tests/bench/src/floor/lone.rs", "commits that are alone"),
    ("tests/bench/src/scenarios/s7.rs", "a client that leaves the host in peace between two requests"),
    ("tests/src/domain.rs", "a service that is slower than its caller's patience"),
    ("tests/src/moments.rs", "random moments at which something is killed"),
    ("tests/src/operator.rs", "an operator who looks at the task list now and then"),
    ("tests/src/orders.rs", "polls a condition over HTTP"),
    ("tests/src/system.rs", "polls a condition over HTTP"),
    ("tests/tests/two_hosts.rs", "a stopped host must sleep through its lease"),
];

/// Tests that nobody runs are no tests. These are tools that live beside what they write.
const IGNORED: &[(&str, &str)] = &[("bpmn/engine/tests/snapshots.rs", "writes the bytes of a new snapshot version, once")];

/// Fails with everything that was found. `planted` breaks the rule, so the rule must find it there.
fn hold(rule: impl Fn(&[File]) -> Vec<String>, planted: &[(&str, &str)]) {
    let planted: Vec<File> = planted.iter().map(|(path, text)| File::planted(path, text)).collect();
    assert!(!rule(&planted).is_empty(), "the rule does not find what was planted, so it finds nothing at all");
    let findings = rule(&files());
    assert!(findings.is_empty(), "{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

/// The Rust files whose paths satisfy a condition, with their code.
fn rust<'f>(files: &'f [File], wanted: impl Fn(&str) -> bool + 'f) -> impl Iterator<Item = (&'f File, String)> + 'f {
    files.iter().filter(move |file| file.is("rs") && wanted(&file.path)).map(|file| (file, code(&file.text)))
}

/// Whether a crate's root includes the module of this file in tests only.
fn is_for_tests_only(files: &[File], path: &str) -> bool {
    let Some((folder, module)) = path.rsplit_once('/') else { return false };
    let declared = format!("#[cfg(test)]\nmod {};", module.trim_end_matches(".rs"));
    text_of(files, &format!("{folder}/lib.rs")).contains(&declared)
}

fn text_of<'f>(files: &'f [File], path: &str) -> &'f str {
    files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
}

#[test]
fn each_library_is_named_in_its_room_only() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for (file, code) in rust(files, |_| true) {
            for (word, rooms, remedy) in ROOMS.iter().filter(|(_, rooms, _)| !rooms.iter().any(|room| file.path.starts_with(room))) {
                let name = word.trim_end_matches('*');
                findings.extend(
                    lines_with(&code, word)
                        .map(|line| format!("{}:{line}: names {name}, which only {} may: {remedy}", file.path, rooms.join(", "))),
                );
            }
        }
        for (file, dependency, line) in dependencies(files, true) {
            let crate_name = dependency.replace('-', "_");
            for (word, rooms, remedy) in ROOMS {
                let name = word.trim_end_matches('*');
                let named = if word.ends_with('*') { crate_name.starts_with(name) } else { crate_name == name };
                if named && !rooms.iter().any(|room| file.path.starts_with(room)) {
                    let rooms = rooms.join(", ");
                    findings.push(format!("{}:{line}: depends on {dependency}, which only {rooms} may: {remedy}", file.path));
                }
            }
        }
        findings
    };
    hold(rule, &[("host/http/src/a.rs", "use sqlx::Row;\n")]);
    hold(rule, &[("host/http/Cargo.toml", "[package]\nname = \"x\"\n[dependencies]\nwasmtime-wasi = \"1\"\n")]);
}

#[test]
fn what_decides_has_no_clock_no_world_and_no_chance() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        let decides = |path: &str| path.starts_with("bpmn/") && path.contains("/src/") && !is_for_tests_only(files, path);
        for (file, code) in rust(files, decides) {
            for (word, why) in ABSENT_IN_BPMN {
                let word_shown = word.trim_end_matches('*');
                findings.extend(lines_with(&code, word).map(|line| format!("{}:{line}: has {word_shown}; {why}", file.path)));
            }
            // A hash map's order differs from run to run, and a step must not.
            if file.path.starts_with("bpmn/engine/") {
                for word in ["HashMap", "HashSet"] {
                    findings.extend(
                        lines_with(&code, word)
                            .map(|line| format!("{}:{line}: has {word}; use the BTree one, which has an order", file.path)),
                    );
                }
            }
        }
        findings
    };
    hold(rule, &[("bpmn/feel/src/a.rs", "let t = std::time::SystemTime::now();\n")]);
    hold(rule, &[("bpmn/engine/src/a.rs", "use std::collections::HashMap;\n")]);
}

#[test]
fn the_runtime_reads_the_clock_in_one_place() {
    let rule = |files: &[File]| {
        let elsewhere = |path: &str| path.starts_with("host/runtime/src/") && path != "host/runtime/src/clock.rs";
        let mut findings = Vec::new();
        for (file, code) in rust(files, elsewhere) {
            for word in ["SystemTime", "Timestamp::now", "Zoned::now"] {
                findings.extend(lines_with(&code, word).map(|line| format!("{}:{line}: reads the clock; use clock.rs", file.path)));
            }
        }
        findings
    };
    hold(rule, &[("host/runtime/src/a.rs", "let t = SystemTime::now();\n")]);
}

#[test]
fn dependencies_run_one_way() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for (file, dependency, line) in dependencies(files, false) {
            if dependency != "mandate" && !dependency.starts_with("mandate-") {
                continue;
            }
            let name = package(&file.text);
            let allowed = match ARROWS.iter().find(|(from, _)| *from == name) {
                Some((_, allowed)) => *allowed,
                // Example and test guests know the SDK.
                None if file.path.starts_with("delegates/") => &["mandate-sdk"],
                None => {
                    findings
                        .push(format!("{}: crate {name} is not in ARROWS of tests/tests/tidy.rs: say what it may depend on", file.path));
                    continue;
                }
            };
            if !allowed.contains(&dependency) {
                findings.push(format!("{}:{line}: {name} must not depend on {dependency}; see the map in ARCHITECTURE.md", file.path));
            }
        }
        findings
    };
    hold(rule, &[("host/http/Cargo.toml", "[package]\nname = \"mandate-http\"\n[dependencies]\nmandate-store.workspace = true\n")]);
    hold(rule, &[("host/new/Cargo.toml", "[package]\nname = \"new\"\n[dependencies]\nmandate-feel.workspace = true\n")]);
}

/// The dependencies of every crate's manifest: file, name, line. Those of tests only where asked for.
fn dependencies(files: &[File], with_dev: bool) -> Vec<(&File, &str, usize)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let mut section = "";
        for (number, line) in file.lines() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if (section.ends_with("dependencies") && section != "workspace.dependencies")
                && (with_dev || !section.ends_with("dev-dependencies"))
                && !line.starts_with('#')
                && line.contains('=')
            {
                let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
                found.push((file, name, number));
            }
        }
    }
    found
}

fn package(manifest: &str) -> &str {
    let name = manifest.lines().find_map(|line| line.trim().strip_prefix("name = \""));
    name.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
}

#[test]
fn every_crate_has_the_workspace_lints() {
    let rule = |files: &[File]| {
        let missing = |file: &&File| file.path.ends_with("Cargo.toml") && file.text.contains("[package]");
        let without = |file: &&File| !file.text.contains("[lints]\nworkspace = true");
        let say = |file: &File| format!("{}: does not take the workspace's lints: add `[lints]` with `workspace = true`", file.path);
        files.iter().filter(missing).filter(without).map(say).collect()
    };
    hold(rule, &[("host/new/Cargo.toml", "[package]\nname = \"new\"\n")]);
}

#[test]
fn a_program_without_tests_has_none() {
    // A second, large program for no test is not linked; one that somebody adds would never run.
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml") && !file.path.starts_with("fuzz/")) {
            for program in file.text.split("[[bin]]").skip(1).filter(|program| program.contains("\ntest = false\n")) {
                let source = program.lines().find_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')).unwrap_or_default();
                let source = file.path.replace("Cargo.toml", source);
                if !files.iter().any(|file| file.path == source) {
                    findings.push(format!("{}: {source} is not there", file.path));
                } else if text_of(files, &source).contains("test]") {
                    findings.push(format!("{source}: its tests are never run: move them to the library beside it"));
                }
            }
        }
        findings
    };
    let manifest = "[[bin]]\nname = \"new\"\npath = \"src/main.rs\"\ntest = false\n";
    hold(rule, &[("host/new/Cargo.toml", manifest), ("host/new/src/main.rs", "fn main() {}\n#[test]\nfn holds() {}\n")]);
}

#[test]
fn every_allowed_unsafe_says_why() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.is("rs") && !file.path.starts_with("tests/tests/tidy")) {
            let source = code(&file.text);
            for (at, _) in source.match_indices("unsafe_code") {
                let attribute = source[at..].split(")]").next().unwrap_or_default();
                if !attribute.contains("reason") {
                    let line = source[..at].matches('\n').count() + 1;
                    findings.push(format!("{}:{line}: allows unsafe code without a reason: add `reason = \"…\"`", file.path));
                }
            }
        }
        findings
    };
    hold(rule, &[("host/a.rs", "#[allow(unsafe_code)]\nfn f() {}\n")]);
}

#[test]
fn no_file_is_long_without_a_reason() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.is("rs")) {
            let lines = file.text.lines().count();
            let listed = LONG.iter().find(|(path, _, _)| *path == file.path);
            let most = listed.map_or(MAX_LINES, |(_, most, _)| *most);
            if lines > most {
                findings.push(format!(
                    "{}: has {lines} lines, more than {most}: split it by subject, or give a reason in LONG of tests/tests/tidy.rs",
                    file.path
                ));
            } else if listed.is_some() && lines <= MAX_LINES {
                findings.push(format!("{}: has {lines} lines and needs no exception any more: take it out of LONG", file.path));
            }
        }
        findings
    };
    hold(rule, &[("host/a.rs", &"\n".repeat(MAX_LINES + 1))]);
}

#[test]
fn no_comment_is_wider_than_the_code() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.is("rs")) {
            let comments = file.lines().filter(|(_, line)| line.trim_start().starts_with("//"));
            for (number, line) in comments.filter(|(_, line)| line.chars().count() > MAX_COMMENT_WIDTH) {
                let width = line.chars().count();
                findings.push(format!(
                    "{}:{number}: a comment of {width} characters, more than {MAX_COMMENT_WIDTH}: wrap it, for rustfmt does not",
                    file.path
                ));
            }
        }
        findings
    };
    hold(rule, &[("host/a.rs", &format!("    /// {}\n", "ä".repeat(MAX_COMMENT_WIDTH)))]);
}

#[test]
fn nothing_is_left_for_later() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for (file, code) in rust(files, |_| true) {
            for (word, remedy) in [
                ("todo!", "do it"),
                ("unimplemented!", "do it, or refuse it by name"),
                ("dbg!", "take it out"),
                ("#[ignore", "make the test quick, or give it a make target and a variable that lengthens it"),
            ] {
                if word == "#[ignore" && IGNORED.iter().any(|(path, _)| *path == file.path) {
                    continue;
                }
                findings.extend(lines_with(&code, word).map(|line| format!("{}:{line}: has {word}: {remedy}", file.path)));
            }
        }
        findings
    };
    hold(rule, &[("host/a.rs", "fn f() { todo!() }\n")]);
}

#[test]
fn tests_wait_for_conditions_and_do_not_sleep() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        let mut sleeping = BTreeSet::new();
        for (file, code) in rust(files, |_| true) {
            let in_tests = file.path.split('/').any(|part| part == "tests" || part == "tests.rs");
            // Tests stand at the bottom of their module.
            let from =
                if in_tests { 1 } else { code.lines().position(|line| line.contains("#[cfg(test)]")).map_or(usize::MAX, |at| at + 1) };
            for line in lines_with(&code, "sleep(").filter(|line| *line >= from) {
                sleeping.insert(file.path.as_str());
                if !SLEEPERS.iter().any(|(path, _)| *path == file.path) {
                    findings.push(format!(
                        "{}:{line}: a test sleeps: wait for a condition, pause the clock, or give a reason in SLEEPERS of tests/tests/tidy.rs",
                        file.path
                    ));
                }
            }
        }
        let listed = |path: &str| files.iter().any(|file| file.path == path);
        let stale = SLEEPERS.iter().filter(|(path, _)| listed(path) && !sleeping.contains(path));
        findings.extend(stale.map(|(path, _)| format!("{path}: does not sleep any more: take it out of SLEEPERS")));
        findings
    };
    hold(rule, &[("host/a/tests/b.rs", "std::thread::sleep(LONG);\n")]);
    hold(rule, &[("host/a/src/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { sleep(1) } }\n")]);
}

#[test]
fn exceptions_are_of_files_that_are_there() {
    let listed = LONG.iter().map(|(path, _, _)| path).chain(SLEEPERS.iter().chain(IGNORED).map(|(path, _)| path));
    let gone: Vec<_> = listed.filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "{gone:?} are not there any more: take them out of the tables of tests/tests/tidy.rs");
}

#[test]
fn text_is_clean() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        let kinds = |file: &&File| ["rs", "md", "toml", "wit", "sql"].iter().any(|ending| file.is(ending));
        for file in files.iter().filter(kinds) {
            // A text of Rust is what it is, such as the expected output of a test.
            let code = if file.is("rs") { code(&file.text) } else { file.text.clone() };
            for ((number, line), code) in file.lines().zip(code.lines()) {
                if line.ends_with([' ', '\t']) && !code.ends_with(TEXT_MARK) {
                    findings.push(format!("{}:{number}: ends with blanks: take them out", file.path));
                }
                if line.contains('\t') {
                    findings.push(format!("{}:{number}: has a tab: use blanks, or \\t in a text", file.path));
                }
            }
            if !file.text.is_empty() && !file.text.ends_with('\n') {
                findings.push(format!("{}: does not end with a line break: add one", file.path));
            }
        }
        findings
    };
    hold(rule, &[("a.md", "x \n")]);
    hold(rule, &[("a.rs", "\tx\n")]);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not break its own rule.
    let folders = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files {
            for (number, line) in file.lines() {
                for folder in &folders {
                    let absolute = |(at, _): (usize, &str)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-~}".contains(c));
                    if line.match_indices(folder.as_str()).any(absolute) {
                        findings.push(format!("{}:{number}: names a path of one machine ({folder}…): make it relative", file.path));
                    }
                }
            }
        }
        findings
    };
    let planted = format!("see {}main\n", folders[0]);
    hold(rule, &[("a.md", &planted)]);
}

#[test]
fn migrations_are_numbered_without_gaps_and_serve_both_databases() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        let mut numbers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in files.iter().filter(|file| file.is("sql")) {
            let Some(name) = file.path.strip_prefix("migrations/") else { continue };
            match name.split_once('_') {
                Some((number, rest)) if number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                    numbers.entry(number).or_default().push(rest);
                }
                _ => findings.push(format!("{}: is not called NNNN_name.sql: number it", file.path)),
            }
        }
        for (index, (number, names)) in numbers.iter().enumerate() {
            if number.parse() != Ok(index + 1) {
                findings.push(format!("migrations/{number}_…: follows {index:04}: number migrations without gaps"));
            }
            let stem = |ending: &str| names.iter().find_map(|name| name.strip_suffix(ending));
            let both = names.len() == 2 && stem(".sqlite.sql").is_some() && stem(".sqlite.sql") == stem(".postgres.sql");
            let one = names.len() == 1 && stem(".sqlite.sql").is_none() && stem(".postgres.sql").is_none();
            if !both && !one {
                findings.push(format!("migrations/{number}_…: give it one .sql for both databases, or .sqlite.sql and .postgres.sql"));
            }
        }
        findings
    };
    hold(rule, &[("migrations/0002_a.sql", "")]);
    hold(rule, &[("migrations/0001_a.sqlite.sql", "")]);
}

#[test]
fn every_item_of_the_contract_is_documented_and_dated() {
    const ITEMS: &[&str] = &["interface ", "world ", "record ", "variant ", "enum ", "flags ", "resource ", "type ", "export "];
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.is("wit")) {
            let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
            for (index, line) in lines.iter().enumerate() {
                let is_function = line.contains(": func(") && !line.starts_with("export ");
                if !is_function && !ITEMS.iter().any(|item| line.starts_with(item)) {
                    continue;
                }
                let before = || lines[..index].iter().rev();
                if !before().next().is_some_and(|gate| gate.starts_with("@since(")) {
                    findings.push(format!("{}:{}: `{line}` has no @since: say which version brought it", file.path, index + 1));
                }
                if !before().find(|line| !line.starts_with('@')).is_some_and(|doc| doc.starts_with("///")) {
                    findings.push(format!("{}:{}: `{line}` has no documentation: write `///` above it", file.path, index + 1));
                }
            }
        }
        findings
    };
    hold(rule, &[("wit/a.wit", "/// x\nrecord y {\n}\n")]);
    hold(rule, &[("wit/a.wit", "@since(version = 0.1.0)\nissue: func(a: string);\n")]);
}
