//! `mandate.toml`: what a bundle says about its delegates. Everything that can be inferred may be left out.

use std::collections::BTreeMap;
use std::time::Duration;

use mandate_wasm::Limits;
use serde::{Deserialize, Serialize};

use super::Problem;

/// The manifest's file name in a bundle.
pub const MANIFEST: &str = "mandate.toml";

/// A parsed manifest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// About the deployment as a whole.
    #[serde(default)]
    pub deployment: DeploymentSection,
    /// By the name that models refer to.
    #[serde(default)]
    pub delegates: BTreeMap<String, DelegateSection>,
}

/// `[deployment]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeploymentSection {
    /// Used when the upload gives no deployment name.
    pub name: Option<String>,
    /// Files outside the bundle's folder that `mandate deploy` adds to the upload. The host ignores it.
    #[serde(default)]
    pub models: Vec<String>,
    /// Free strings, such as the git commit; stored with the deployment.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `[delegates.<name>]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DelegateSection {
    /// The component's resource; only its last path segment counts on the host.
    pub file: Option<String>,
    /// Semantic version; inferred from the digest when absent.
    pub version: Option<semver::Version>,
    /// The commands it asks for. Nothing listed: none.
    #[serde(default)]
    pub commands: Vec<String>,
    /// External-task topics that it serves.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Its limits; the operator's caps hold in any case.
    #[serde(default)]
    pub limits: LimitsSection,
}

/// `[delegates.<name>.limits]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsSection {
    /// The sum of all memories and tables, e.g. `64 MiB`.
    pub memory: Option<Size>,
    /// Time spent inside the guest, e.g. `1s`.
    pub cpu: Option<Time>,
    /// Time with host calls, e.g. `30s`.
    pub wall: Option<Time>,
    /// Command calls per attempt.
    pub commands: Option<u32>,
    /// Log lines per attempt.
    pub log_lines: Option<u32>,
    /// Variables in.
    pub input: Option<Size>,
    /// Variables out.
    pub output: Option<Size>,
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
        let mut commands = section.commands.clone();
        commands.sort();
        commands.dedup();
        let limits = Limits {
            memory: asked.memory.map_or(default.memory, |size| size.0),
            cpu: asked.cpu.map_or(default.cpu, |time| time.0),
            wall: asked.wall.map_or(default.wall, |time| time.0),
            commands: asked.commands.unwrap_or(default.commands),
            log_lines: asked.log_lines.unwrap_or(default.log_lines),
            input: asked.input.map_or(default.input, |size| size.0),
            output: asked.output.map_or(default.output, |size| size.0),
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
    /// Reads a manifest; the problem names line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::error(MANIFEST, "is not UTF-8 text", "save the manifest as UTF-8"))?;
        toml::from_str(text).map_err(|error| {
            let (line, column) = error.span().map_or((0, 0), |span| position(text, span.start));
            Problem { line, column, ..Problem::error(MANIFEST, error.message(), "see docs/manifest.md for the keys a manifest may have") }
        })
    }
}

fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Bytes, written as the catalogue writes them: `64 MiB`, `256 KiB`, `512 B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

/// A length of time, written as the catalogue writes it: `500ms`, `30s`, `5m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a size: write for example \"64 MiB\"");
        mandate_commands::quantity::size(&text).map(Size).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a length of time: write for example \"500ms\", \"30s\" or \"5m\"");
        mandate_commands::quantity::duration(&text).map(Time).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_left_out() {
        let manifest = Manifest::parse(b"").expect("an empty manifest is a manifest");
        assert!(manifest.delegates.is_empty());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let problem = Manifest::parse(b"[delegates.x]\nmemmory = 3\n").expect_err("misspelled");
        assert_eq!(problem.line, 2);
        assert!(problem.message.contains("memmory"), "{}", problem.message);
    }

    #[test]
    fn a_size_without_a_unit_says_what_to_write() {
        let problem = Manifest::parse(b"[delegates.x.limits]\nmemory = \"64\"\n").expect_err("no unit");
        assert!(problem.message.contains("write for example"), "{}", problem.message);
    }

    #[test]
    fn the_operators_caps_hold() {
        let manifest = Manifest::parse(
            b"[delegates.x]\ncommands = [\"b@1\", \"a@1\", \"b@1\"]\n[delegates.x.limits]\nmemory = \"2048 MiB\"\ncpu = \"1h\"\n",
        )
        .expect("valid");
        let caps = Limits { memory: 128 << 20, cpu: Duration::from_secs(2), ..Limits::default() };
        let mandate = Mandate::new(&manifest.delegates["x"], &caps);
        assert_eq!((mandate.memory, mandate.cpu_ms), (128 << 20, 2_000));
        assert_eq!(mandate.commands, ["a@1", "b@1"]);
    }
}
