//! What documents say must be so.

use std::collections::BTreeSet;

use crate::source::{File, between, root};
use crate::{hold, text_of};

#[test]
fn every_incident_code_has_its_section() {
    const PARTS: &[&str] = &["**What happened.**", "**What was applied.**", "**When a retry is safe.**", "**What to do.**"];
    let rule = |files: &[File]| {
        let codes: Vec<&str> =
            between(text_of(files, "bpmn/engine/src/code.rs"), " = \"", "\",").into_iter().map(|(_, code)| code).collect();
        let sections: Vec<&str> = text_of(files, "docs/incidents.md").split("\n## ").skip(1).collect();
        let titles: Vec<&str> = sections.iter().map(|section| section.lines().next().unwrap_or_default()).collect();
        let mut findings = Vec::new();
        if codes != titles {
            findings.push(format!(
                "docs/incidents.md: its sections are not the codes of bpmn/engine/src/code.rs in their order: add, remove or move \
                 sections\n  codes    {codes:?}\n  sections {titles:?}"
            ));
        }
        for (title, section) in titles.iter().zip(&sections) {
            let missing: Vec<&&str> = PARTS.iter().filter(|part| !section.contains(**part)).collect();
            if !missing.is_empty() {
                findings.push(format!("docs/incidents.md: section {title} lacks {missing:?}: operators read it at night, add them"));
            }
        }
        findings
    };
    hold(rule, &[("bpmn/engine/src/code.rs", "    A = \"A\",\n"), ("docs/incidents.md", "# x\n")]);
    hold(rule, &[("bpmn/engine/src/code.rs", "    A = \"A\",\n"), ("docs/incidents.md", "# x\n\n## A\n\nnothing\n")]);
}

#[test]
fn what_can_be_set_and_seen_is_documented_and_nothing_else() {
    // The sources, what opens and closes a name in them, the document that has each name in backticks, and what its names begin with there.
    const KEPT: &[(&[&str], &str, &str, &str, &str)] = &[
        (&["host/runtime/src/metrics.rs"], "!(\"", "\"", "docs/operations.md", "mandate_"),
        (&["host/cli/src/settings.rs", "host/cli/src/main.rs"], "env = \"", "\"", "docs/operations.md", "MANDATE_"),
    ];
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for (sources, open, close, document, prefix) in KEPT {
            let of_source = |source: &&str| between(text_of(files, source), open, close);
            let names: BTreeSet<&str> = sources.iter().flat_map(of_source).map(|(_, name)| name).collect();
            let source = sources.join(" and ");
            let said = between(text_of(files, document), "`", "`");
            let said: BTreeSet<&str> = said.into_iter().map(|(_, name)| name).filter(|name| name.starts_with(prefix)).collect();
            findings.extend(names.difference(&said).map(|name| format!("{document}: does not explain `{name}` of {source}: add it")));
            findings
                .extend(said.difference(&names).map(|name| format!("{document}: explains `{name}`, which {source} has not: take it out")));
        }
        findings
    };
    hold(rule, &[("host/runtime/src/metrics.rs", "counter!(\"mandate_new\")"), ("docs/operations.md", "")]);
    hold(rule, &[("host/cli/src/settings.rs", ""), ("docs/operations.md", "set `MANDATE_OLD`")]);
}

#[test]
fn every_key_of_the_catalogue_and_the_manifest_is_documented() {
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        let mut check = |keys: Vec<String>, document: &str| {
            let said: BTreeSet<&str> = between(text_of(files, document), "`", "`").into_iter().map(|(_, name)| name).collect();
            let missing = keys.into_iter().filter(|key| !said.contains(key.as_str()));
            findings.extend(missing.map(|key| format!("{document}: does not explain the key `{key}`: add it")));
        };
        for (reader, document) in
            [("host/commands/src/parse.rs", "docs/catalogue.md"), ("host/runtime/src/deploy/manifest.rs", "docs/manifest.md")]
        {
            let lists = text_of(files, reader).split("_KEYS: &[&str] = &[").skip(1).filter_map(|rest| rest.split("];").next());
            check(lists.flat_map(|list| between(list, "\"", "\"")).map(|(_, key)| key.to_owned()).collect(), document);
        }
        findings
    };
    hold(rule, &[("host/commands/src/parse.rs", "const TARGET_KEYS: &[&str] = &[\n    \"new\",\n];\n")]);
    hold(rule, &[("host/runtime/src/deploy/manifest.rs", "const LIMITS_KEYS: &[&str] = &[\"new\"];\n")]);
}

#[test]
fn every_route_is_documented_and_every_documented_route_is_there() {
    // What a parameter is called is nobody's business.
    let shape = |path: &str| path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/");
    let rule = |files: &[File]| {
        let mut findings = Vec::new();
        for (room, title) in [("host/http/src/rest/", "## `/engine-rest`"), ("host/http/src/api/", "## `/api/v1`")] {
            let sources = files.iter().filter(|file| file.path.starts_with(room));
            let routes: BTreeSet<String> = sources.flat_map(|file| routes(&file.text)).map(|path| shape(&path)).collect();
            let page = text_of(files, "docs/rest.md");
            let section = page.split_once(title).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
            let table: String = section.lines().filter(|line| line.starts_with("| ")).collect::<Vec<_>>().join("\n");
            let said = between(&table, "`", "`").into_iter().map(|(_, path)| path).filter(|path| path.starts_with('/'));
            let said: BTreeSet<String> = said.map(shape).collect();
            findings.extend(routes.difference(&said).map(|path| format!("docs/rest.md: does not list {path} of {room}: add it")));
            findings.extend(said.difference(&routes).map(|path| format!("docs/rest.md: lists {path}, which {room} has not: take it out")));
        }
        findings
    };
    hold(rule, &[("host/http/src/rest/a.rs", "Router::new().route(\"/new/{id}\", get(one))"), ("docs/rest.md", "")]);
    hold(rule, &[("docs/rest.md", "## `/engine-rest`: x\n\n| a | `/old` |\n")]);
}

/// The paths that a file routes: `.route("/path", …)`, those of its lists and variables, and the same below each prefix that is given to a
/// function as its `path`.
fn routes(source: &str) -> Vec<String> {
    // A long route may stand on the line behind its opening parenthesis.
    let source: String = source.split_whitespace().collect();
    let found = |open: &str, close: &str| between(&source, open, close).into_iter().map(|(_, text)| text.to_owned()).collect::<Vec<_>>();
    let mut routes = found(".route(\"", "\"");
    let mut below = found(".route(&format!(\"{path}", "\"");
    below.extend(source.contains(".route(path,").then(String::new));
    // A list has its path as a constant or is routed by it, and a count below it.
    for list in [found("constPATH:&'staticstr=\"", "\""), found("list::routes(\"", "\"")].concat() {
        routes.extend([format!("{list}/count"), list]);
    }
    // So have variables, with each of them and its bytes below.
    for variables in found("constVARIABLES:&'staticstr=\"", "\"") {
        routes.extend([format!("{variables}/{{}}/data"), format!("{variables}/{{}}"), variables]);
    }
    for prefix in found(".merge(of_one(\"", "\"))") {
        routes.extend(below.iter().map(|rest| format!("{prefix}{rest}")));
    }
    routes
}

#[test]
fn what_documents_point_at_is_there() {
    let rule = |files: &[File]| {
        let makefile = text_of(files, "Makefile");
        let target = |name: &str| makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
        let mut findings = Vec::new();
        for file in files.iter().filter(|file| file.is("md")) {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for (line, link) in between(&file.text, "](", ")") {
                let path = link.split('#').next().unwrap_or_default();
                if !path.is_empty() && !link.contains("://") && !root().join(folder).join(path).exists() {
                    findings.push(format!("{}:{line}: links to {link}, which is not there: correct it", file.path));
                }
            }
            for (line, path) in between(&file.text, "`", "`") {
                let is_path = path.contains('/') && [".rs", ".toml", ".md", ".wit", ".bpmn", ".sql"].iter().any(|end| path.ends_with(end));
                let exact = !path.contains(['*', '<', '{', ' ', '…', ':']) && !path.contains("NNNN");
                if is_path && exact && !root().join(path).exists() && !root().join(folder).join(path).exists() {
                    findings.push(format!("{}:{line}: names the file {path}, which is not there: correct it", file.path));
                }
            }
            for (number, line) in file.lines() {
                let command = line.trim_start_matches(['$', ' ']).strip_prefix("make ");
                let inline = between(line, "`make ", "`").into_iter().map(|(_, rest)| rest);
                let names = command.into_iter().chain(inline).filter_map(|rest| rest.split([' ', '`']).next());
                let unknown = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()) && !name.is_empty() && !target(name));
                findings.extend(unknown.map(|name| format!("{}:{number}: says `make {name}`, which the Makefile has not", file.path)));
            }
        }
        findings
    };
    hold(rule, &[("a.md", "see [x](nowhere.md)\n")]);
    hold(rule, &[("a.md", "see `host/nowhere.rs`\n")]);
    hold(rule, &[("a.md", "run `make nothing`\n")]);
}

#[test]
fn the_map_has_every_file_of_the_engine_and_of_the_runtime() {
    let rule = |files: &[File]| {
        let map = text_of(files, "ARCHITECTURE.md");
        let mut findings = Vec::new();
        for folder in ["bpmn/engine/src", "host/runtime/src"] {
            let below = |path: &'_ str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
            let paths: BTreeSet<String> = files.iter().filter(|file| file.is("rs")).filter_map(|file| below(&file.path)).collect();
            let section =
                map.split_once(&format!("### Inside `{folder}`\n")).map_or("", |(_, rest)| rest.split("\n#").next().unwrap_or_default());
            let cells: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
            let cells = cells.join("\n");
            let said: BTreeSet<&str> = between(&cells, "`", "`").into_iter().map(|(_, name)| name).collect();
            // What is in a folder is said with it, or with the file that it belongs to.
            let is_said = |path: &str| match path.split_once('/') {
                None => said.contains(path),
                Some((inner, _)) => said.contains(format!("{inner}/").as_str()),
            };
            findings.extend(
                paths
                    .iter()
                    .filter(|path| !is_said(path))
                    .map(|path| format!("ARCHITECTURE.md: the map of {folder} has no row for {path}: say in one what it is for")),
            );
            let is_there = |name: &str| paths.iter().any(|path| path == name || (name.ends_with('/') && path.starts_with(name)));
            findings.extend(
                said.iter()
                    .filter(|name| !is_there(name))
                    .map(|name| format!("ARCHITECTURE.md: the map of {folder} has a row for {name}, which is not there: take it out")),
            );
        }
        findings
    };
    let map = |rows: &str| format!("### Inside `bpmn/engine/src`\n\n| file | what |\n|---|---|\n{rows}\n## Next\n");
    hold(rule, &[("ARCHITECTURE.md", &map("| `step.rs` | the loop |")), ("bpmn/engine/src/step.rs", ""), ("bpmn/engine/src/new.rs", "")]);
    hold(
        rule,
        &[("ARCHITECTURE.md", &map("| `step.rs` | not `new/` |")), ("bpmn/engine/src/step.rs", ""), ("bpmn/engine/src/new/a.rs", "")],
    );
    hold(rule, &[("ARCHITECTURE.md", &map("| `old.rs` | nothing |"))]);
}
