//! `mandate.toml`: what a bundle says about its delegates. Everything that can be inferred may be left out.

use std::collections::BTreeMap;
use std::time::Duration;

use mandate_commands::reader::{Located, Problems, Table};
use mandate_model::Position;
use mandate_wasm::Limits;
use serde::{Deserialize, Serialize};

use super::Problem;

/// The manifest's file name in a bundle.
pub const MANIFEST: &str = "mandate.toml";

/// The largest manifest that is read; one of a hundred delegates has some 10 KiB.
const MAX_BYTES: usize = 1024 * 1024;

const KEYS: &[&str] = &["deployment", "delegates"];
const DEPLOYMENT_KEYS: &[&str] = &["name", "models", "metadata"];
const DELEGATE_KEYS: &[&str] = &["file", "version", "commands", "topics", "limits"];
const LIMITS_KEYS: &[&str] = &["memory", "cpu", "wall", "commands", "log-lines", "input", "output"];

/// A parsed manifest.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// About the deployment as a whole.
    pub deployment: DeploymentSection,
    /// By the name that models refer to.
    pub delegates: BTreeMap<String, DelegateSection>,
}

/// `[deployment]`.
#[derive(Clone, Debug, Default)]
pub struct DeploymentSection {
    /// Used when the upload gives no deployment name.
    pub name: Option<String>,
    /// Files outside the bundle's folder that `mandate deploy` adds to the upload. The host ignores it.
    pub models: Vec<Placed<String>>,
    /// Free strings, such as the git commit; stored with the deployment.
    pub metadata: BTreeMap<String, String>,
}

/// `[delegates.<name>]`.
#[derive(Clone, Debug, Default)]
pub struct DelegateSection {
    /// Where its name stands.
    pub at: Position,
    /// The component's resource; only its last path segment counts on the host.
    pub file: Option<Placed<String>>,
    /// Semantic version; inferred from the digest when absent.
    pub version: Option<semver::Version>,
    /// The commands it asks for. Nothing listed: none.
    pub commands: Vec<Placed<String>>,
    /// External-task topics that it serves.
    pub topics: Vec<String>,
    /// Its limits; the operator's caps hold in any case.
    pub limits: LimitsSection,
}

/// `[delegates.<name>.limits]`.
#[derive(Clone, Debug, Default)]
pub struct LimitsSection {
    /// Bytes of all memories and tables together.
    pub memory: Option<u64>,
    /// Time spent inside the guest.
    pub cpu: Option<Duration>,
    /// Time with host calls.
    pub wall: Option<Duration>,
    /// Command calls per attempt.
    pub commands: Option<u32>,
    /// Log lines per attempt.
    pub log_lines: Option<u32>,
    /// Bytes of variables in.
    pub input: Option<u64>,
    /// Bytes of variables out.
    pub output: Option<u64>,
}

/// A value with its place in the file, for what is found wrong with it later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Position,
}

/// What a delegate may do, as a binding keeps it: fixed at deployment with the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mandate {
    /// Granted commands, sorted.
    pub commands: Vec<String>,
    /// Bytes of memory and tables.
    pub memory: u64,
    /// Milliseconds inside the guest.
    pub cpu_ms: u64,
    /// Milliseconds with host calls.
    pub wall_ms: u64,
    /// Command calls per attempt.
    pub command_calls: u32,
    /// Log lines per attempt.
    pub log_lines: u32,
    /// Bytes of variables in.
    pub input: u64,
    /// Bytes of variables out.
    pub output: u64,
}

impl Mandate {
    /// The mandate a manifest section asks for, within the operator's caps.
    pub fn new(section: &DelegateSection, caps: &Limits) -> Self {
        let default = Limits::default();
        let asked = &section.limits;
        let mut commands: Vec<String> = section.commands.iter().map(|command| command.value.clone()).collect();
        commands.sort();
        commands.dedup();
        let limits = Limits {
            memory: asked.memory.unwrap_or(default.memory),
            cpu: asked.cpu.unwrap_or(default.cpu),
            wall: asked.wall.unwrap_or(default.wall),
            commands: asked.commands.unwrap_or(default.commands),
            log_lines: asked.log_lines.unwrap_or(default.log_lines),
            input: asked.input.unwrap_or(default.input),
            output: asked.output.unwrap_or(default.output),
            ..default
        }
        .capped_by(caps);
        Self {
            commands,
            memory: limits.memory,
            cpu_ms: millis(limits.cpu),
            wall_ms: millis(limits.wall),
            command_calls: limits.commands,
            log_lines: limits.log_lines,
            input: limits.input,
            output: limits.output,
        }
    }

    /// The limits of one call, within the operator's caps of today.
    pub fn limits(&self, caps: &Limits) -> Limits {
        Limits {
            memory: self.memory,
            cpu: Duration::from_millis(self.cpu_ms),
            wall: Duration::from_millis(self.wall_ms),
            commands: self.command_calls,
            log_lines: self.log_lines,
            input: self.input,
            output: self.output,
            ..Limits::default()
        }
        .capped_by(caps)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Manifest {
    /// What could be read of a manifest, and everything that is wrong with it.
    pub fn read(bytes: &[u8]) -> (Self, Vec<Problem>) {
        if bytes.len() > MAX_BYTES {
            let message = format!("has {} bytes; at most {MAX_BYTES} are read", bytes.len());
            return (Self::default(), vec![Problem::error(MANIFEST, message, "say less: what a manifest leaves out is inferred")]);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return (Self::default(), vec![Problem::error(MANIFEST, "is not UTF-8 text", "save the manifest as UTF-8")]);
        };
        let problems = Problems::new(MANIFEST, text);
        let manifest = match problems.document() {
            Some(document) => Self::of(&problems, &Table::root(&problems, &document, KEYS)),
            None => Self::default(),
        };
        (manifest, problems.into_list().into_iter().map(problem).collect())
    }

    fn of(problems: &Problems<'_>, root: &Table<'_>) -> Self {
        let place = |located: Located<String>| Placed { at: position(problems, &located), value: located.value };
        let deployment = root.table("deployment", DEPLOYMENT_KEYS).map(|table| DeploymentSection {
            name: table.text("name").map(|name| name.value),
            models: table.texts("models").unwrap_or_default().into_iter().map(place).collect(),
            metadata: table.named_texts("metadata").into_iter().collect(),
        });
        let delegates = root.named_tables("delegates", DELEGATE_KEYS).into_iter().map(|(name, table)| {
            let section = DelegateSection {
                at: position(problems, &name),
                file: table.text("file").map(place),
                version: version(&table),
                commands: table.texts("commands").unwrap_or_default().into_iter().map(place).collect(),
                topics: table.texts("topics").unwrap_or_default().into_iter().map(|topic| topic.value).collect(),
                limits: table.table("limits", LIMITS_KEYS).map(|table| limits(&table)).unwrap_or_default(),
            };
            (name.value, section)
        });
        Self { deployment: deployment.unwrap_or_default(), delegates: delegates.collect() }
    }
}

fn version(table: &Table<'_>) -> Option<semver::Version> {
    let text = table.text("version")?;
    let parsed = semver::Version::parse(&text.value);
    if let Err(error) = &parsed {
        let what = format!("{:?} is not a semantic version: {error}", text.value);
        table.problem_at("version", &text.span, what, "write for example \"1.2.0\"");
    }
    parsed.ok()
}

/// What is beyond the operator's caps is lowered to them, so that here any number will do.
fn limits(table: &Table<'_>) -> LimitsSection {
    let size = |key| table.size(key, 0..=u64::MAX);
    let time = |key| table.duration(key, Duration::ZERO..=Duration::MAX);
    let count = |key| table.integer(key, 0..=u32::MAX.into()).and_then(|count| u32::try_from(count).ok());
    LimitsSection {
        memory: size("memory"),
        cpu: time("cpu"),
        wall: time("wall"),
        commands: count("commands"),
        log_lines: count("log-lines"),
        input: size("input"),
        output: size("output"),
    }
}

fn position<T>(problems: &Problems<'_>, located: &Located<T>) -> Position {
    let (line, column) = problems.position(&located.span);
    Position { line: small(line), column: small(column) }
}

fn problem(found: mandate_commands::Problem) -> Problem {
    let message = if found.at.is_empty() { found.what } else { format!("{}: {}", found.at, found.what) };
    let help = if found.remedy.is_empty() { "see docs/manifest.md for how a manifest is written".to_owned() } else { found.remedy };
    Problem::error(MANIFEST, message, help).at(Position { line: small(found.line), column: small(found.column) })
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::needless_raw_string_hashes, reason = "expect-test writes the snapshots so")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// The problems of a manifest, one a line.
    fn check(text: &str, expected: Expect) {
        let (_, problems) = Manifest::read(text.as_bytes());
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn everything_may_be_left_out() {
        let (manifest, problems) = Manifest::read(b"");
        assert!(manifest.delegates.is_empty() && problems.is_empty());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_place() {
        check(
            "[deployment]\nname = 5\nmetadata = { commit = 7 }\n[delegates.x]\nmemmory = 3\nversion = \"one\"\ncommands = [\"a@1\", 2]\n\
             [delegates.x.limits]\nmemory = \"64\"\nwall = \"soon\"\ncommands = -1\n[delegate.y]\n",
            expect![[r#"
                mandate.toml:2:8: error: deployment.name: this integer does not fit
                  help: write a text in quotes
                mandate.toml:3:23: error: deployment.metadata.commit: this integer does not fit
                  help: write a text in quotes
                mandate.toml:5:1: error: delegates.x: there is no key "memmory" here
                  help: allowed are file, version, commands, topics, limits
                mandate.toml:6:11: error: delegates.x.version: "one" is not a semantic version: unexpected character 'o' while parsing major version number
                  help: write for example "1.2.0"
                mandate.toml:7:20: error: delegates.x.commands: this integer does not fit
                  help: write a text in quotes
                mandate.toml:9:10: error: delegates.x.limits.memory: "64" is not a size
                  help: write for example "64 KiB" or "1 MiB"
                mandate.toml:10:8: error: delegates.x.limits.wall: "soon" is not a duration
                  help: write for example "500ms", "5s" or "2m"
                mandate.toml:11:12: error: delegates.x.limits.commands: this integer does not fit
                  help: write a whole number from 0 to 4294967295
                mandate.toml:12:2: error: there is no key "delegate" here
                  help: allowed are deployment, delegates"#]],
        );
    }

    #[test]
    fn a_text_that_is_not_toml_says_where_it_breaks_off() {
        check(
            "[delegates.x\nfile = 'a.wasm'\ncommands = [\n",
            expect![[r#"
            mandate.toml:1:13: error: unclosed table, expected `]`
              help: see docs/manifest.md for how a manifest is written
            mandate.toml:3:13: error: unclosed array, expected `]`
              help: see docs/manifest.md for how a manifest is written"#]],
        );
    }

    #[test]
    fn what_is_asked_for_is_told_with_its_place() {
        let (manifest, problems) = Manifest::read(b"[delegates.x]\nfile = \"x.wasm\"\ncommands = [\n  \"a@1\",\n  \"b@1\",\n]\n");
        assert_eq!(problems, []);
        let section = &manifest.delegates["x"];
        let places: Vec<_> = section.commands.iter().map(|command| (command.value.as_str(), command.at.line, command.at.column)).collect();
        assert_eq!(places, [("a@1", 4, 3), ("b@1", 5, 3)]);
        assert_eq!((section.at.line, section.file.as_ref().map(|file| file.at.line)), (1, Some(2)));
    }

    #[test]
    fn the_operators_caps_hold() {
        let (manifest, problems) = Manifest::read(
            b"[delegates.x]\ncommands = [\"b@1\", \"a@1\", \"b@1\"]\n[delegates.x.limits]\nmemory = \"2048 MiB\"\ncpu = \"1h\"\n",
        );
        assert_eq!(problems, []);
        let caps = Limits { memory: 128 << 20, cpu: Duration::from_secs(2), ..Limits::default() };
        let mandate = Mandate::new(&manifest.delegates["x"], &caps);
        assert_eq!((mandate.memory, mandate.cpu_ms), (128 << 20, 2_000));
        assert_eq!(mandate.commands, ["a@1", "b@1"]);
    }
}
