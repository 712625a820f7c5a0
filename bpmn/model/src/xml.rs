//! XML into a small tree with positions and resolved namespaces: the only file that names quick-xml.
//!
//! Bounded whatever the bytes: one pass, a limited depth and number of elements, no document type, no entity but the five that XML
//! predefines. What no reader looks at (diagrams, foreign extensions) is checked for being well formed and dropped.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesRef, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use crate::definition::Position;
use crate::diagnostic::{At, Diagnostics, shown};

/// Files larger than this are refused, in bytes. The largest models that people still edit have some 2 MiB with their diagrams.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// XML elements may nest this deeply: the 64 scopes a model may have, and what stands inside the innermost.
const MAX_DEPTH: usize = 128;

/// As many XML elements are kept, diagrams not counted: enough for the largest process with all its extensions, and a bound on memory.
const MAX_NODES: usize = 400_000;

/// As many attributes may stand on one tag. Duplicates are found by comparing each with each, so that this bounds the time, too.
const MAX_ATTRIBUTES: usize = 64;

/// As many namespace prefixes may be declared at once.
const MAX_PREFIXES: usize = 64;

/// What a namespace means to us; found by its URI, whatever its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// No namespace: an attribute without a prefix.
    None,
    /// BPMN 2.0 itself.
    Bpmn,
    /// Camunda 7's extensions.
    Camunda,
    /// Camunda 8's extensions.
    Zeebe,
    /// Our own extensions.
    Mandate,
    /// Known to carry nothing that is executed: diagrams, colours, editors.
    Metadata,
    /// Any other.
    Other,
}

const NAMESPACES: &[(&str, Namespace)] = &[
    ("http://www.omg.org/spec/BPMN/20100524/MODEL", Namespace::Bpmn),
    ("http://camunda.org/schema/1.0/bpmn", Namespace::Camunda),
    // That of Camunda's ancestor, which Camunda 7 reads as its own (`BpmnParser.ACTIVITI_BPMN_EXTENSIONS_NS`).
    ("http://activiti.org/bpmn", Namespace::Camunda),
    ("http://camunda.org/schema/zeebe/1.0", Namespace::Zeebe),
    ("https://mandate.dev/schema/1.0", Namespace::Mandate),
    ("http://www.omg.org/spec/BPMN/20100524/DI", Namespace::Metadata),
    ("http://www.omg.org/spec/DD/20100524/DI", Namespace::Metadata),
    ("http://www.omg.org/spec/DD/20100524/DC", Namespace::Metadata),
    ("http://www.omg.org/spec/BPMN/non-normative/color/1.0", Namespace::Metadata),
    ("http://bpmn.io/schema/bpmn/biocolor/1.0", Namespace::Metadata),
    ("http://bpmn.io/schema/bpmn", Namespace::Metadata),
    ("http://camunda.org/schema/modeler/1.0", Namespace::Metadata),
    ("http://www.w3.org/2001/XMLSchema-instance", Namespace::Metadata),
    ("http://www.w3.org/XML/1998/namespace", Namespace::Metadata),
    ("http://www.w3.org/2000/xmlns/", Namespace::Metadata),
];

impl Namespace {
    fn of(uri: &str) -> Namespace {
        NAMESPACES.iter().find(|(known, _)| *known == uri).map_or(Namespace::Other, |(_, namespace)| *namespace)
    }

    /// Whether readers look into elements of it.
    fn is_read(self) -> bool {
        matches!(self, Namespace::Bpmn | Namespace::Camunda | Namespace::Zeebe | Namespace::Mandate)
    }

    /// The prefix that documentation uses for it, with the colon.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Namespace::Camunda => "camunda:",
            Namespace::Zeebe => "zeebe:",
            Namespace::Mandate => "mandate:",
            Namespace::None | Namespace::Bpmn | Namespace::Metadata | Namespace::Other => "",
        }
    }
}

/// An XML element.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) namespace: Namespace,
    /// The name without its prefix.
    pub(crate) name: &'a str,
    /// The name as it is written.
    pub(crate) written: &'a str,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) children: Vec<Node<'a>>,
    /// The text directly inside, of all pieces together.
    pub(crate) text: String,
    /// Where its opening tag begins.
    pub(crate) position: Position,
}

/// An attribute; namespace declarations are left out.
#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) namespace: Namespace,
    /// The name without its prefix.
    pub(crate) name: &'a str,
    /// The name as it is written.
    pub(crate) written: &'a str,
    pub(crate) value: Cow<'a, str>,
}

impl<'a> Node<'a> {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, namespace: Namespace, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.namespace == namespace && attribute.name == name)
            .map(|attribute| attribute.value.as_ref())
    }

    /// The value of a BPMN attribute, which has no prefix.
    pub(crate) fn plain(&self, name: &str) -> Option<&str> {
        self.attribute(Namespace::None, name)
    }

    /// The value of a `camunda:` attribute.
    pub(crate) fn camunda(&self, name: &str) -> Option<&str> {
        self.attribute(Namespace::Camunda, name)
    }

    /// Whether it or anything in it is written in this namespace.
    pub(crate) fn uses(&self, namespace: Namespace) -> bool {
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            if node.namespace == namespace || node.attributes.iter().any(|attribute| attribute.namespace == namespace) {
                return true;
            }
            open.extend(&node.children);
        }
        false
    }

    /// Its BPMN id.
    pub(crate) fn id(&self) -> Option<&str> {
        self.plain("id")
    }

    /// Its name as messages use it: BPMN's without a prefix, a known extension's with the usual one, any other as written.
    pub(crate) fn title(&self) -> String {
        title(self.namespace, self.name, self.written)
    }

    /// Whether it is the BPMN element of that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.namespace == Namespace::Bpmn && self.name == name
    }

    /// The BPMN elements of that name directly inside.
    pub(crate) fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node<'a>> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// The first BPMN element of that name directly inside.
    pub(crate) fn first<'n>(&'n self, name: &'n str) -> Option<&'n Node<'a>> {
        self.all(name).next()
    }

    /// The place of its opening tag, under its own id.
    pub(crate) fn at(&self) -> At<'_> {
        At { position: self.position, id: self.id() }
    }

    /// The place of its opening tag, as a part of an element with that id.
    pub(crate) fn at_in<'n>(&self, owner: At<'n>) -> At<'n> {
        At { position: self.position, id: owner.id }
    }
}

impl Attribute<'_> {
    /// Its name as messages use it.
    pub(crate) fn title(&self) -> String {
        title(self.namespace, self.name, self.written)
    }
}

fn title(namespace: Namespace, name: &str, written: &str) -> String {
    match namespace {
        Namespace::None | Namespace::Bpmn => shown(name),
        Namespace::Metadata | Namespace::Other => shown(written),
        known => format!("{}{}", known.prefix(), shown(name)),
    }
}

/// Reads a file's bytes as text: UTF-8, with or without a byte order mark, without characters that XML forbids. None after an error.
pub(crate) fn text<'a>(bytes: &'a [u8], diagnostics: &mut Diagnostics) -> Option<&'a str> {
    const SAVE_AS_UTF_8: &str = "save the file as UTF-8";
    let start = At { position: Position { line: 1, column: 1 }, id: None };
    if bytes.len() > MAX_FILE_BYTES {
        diagnostics.error(
            start,
            format!("the file has {} bytes, which is more than {MAX_FILE_BYTES}", bytes.len()),
            "split the model into several files",
        );
        return None;
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.starts_with(b"<\0") || bytes.starts_with(b"\0<") {
        diagnostics.error(start, "the file is in UTF-16", SAVE_AS_UTF_8);
        return None;
    }
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        bytes = rest;
    }
    let place = |offset: usize| {
        let mut cursor = Cursor::default();
        let valid = std::str::from_utf8(&bytes[..offset]).unwrap_or_default();
        At { position: cursor.at(valid, offset), id: None }
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            diagnostics.error(place(error.valid_up_to()), "the file is not valid UTF-8", SAVE_AS_UTF_8);
            return None;
        }
    };
    let forbidden = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some(offset) = bytes.iter().position(forbidden) {
        diagnostics.error(
            place(offset),
            format!("the control character U+{:04X} is not allowed in XML", bytes[offset]),
            "remove it; if the file is full of them, it is not an XML file",
        );
        return None;
    }
    Some(text)
}

/// Reads a text as one XML document. None after an error, which is in `diagnostics`.
pub(crate) fn read<'a>(text: &'a str, diagnostics: &mut Diagnostics) -> Option<Node<'a>> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader.resolver_mut().set_max_namespace_bindings(MAX_PREFIXES);
    let mut builder = Builder { text, diagnostics, cursor: Cursor::default(), open: Vec::new(), dropped: 0, nodes: 0, root: None };
    loop {
        let before = offset(reader.buffer_position());
        let step = match reader.read_event() {
            Ok(Event::Eof) => return builder.finish(),
            Ok(event) => {
                let resolve = |name: quick_xml::name::QName<'a>, default: bool| {
                    let prefix = name.prefix();
                    match reader.resolver().resolve_prefix(prefix, default) {
                        ResolveResult::Bound(uri) => Some(Namespace::of(uri.as_ref())),
                        ResolveResult::Unbound => Some(Namespace::None),
                        ResolveResult::Unknown(_) => None,
                    }
                };
                builder.event(event, before, offset(reader.buffer_position()), resolve)
            }
            Err(error) => {
                let at = offset(reader.error_position()).max(before);
                Err(Fatal::new(at, error.to_string(), "correct the XML; opening the file in a modeller shows where it breaks"))
            }
        };
        if let Err(fatal) = step {
            builder.fail(&fatal);
            return None;
        }
    }
}

/// An error after which the rest of the file cannot be understood.
struct Fatal {
    offset: usize,
    message: String,
    help: &'static str,
}

impl Fatal {
    fn new(offset: usize, message: impl Into<String>, help: &'static str) -> Fatal {
        Fatal { offset, message: message.into(), help }
    }
}

/// The tree as far as it is read.
struct Builder<'a, 'd> {
    text: &'a str,
    diagnostics: &'d mut Diagnostics,
    cursor: Cursor,
    /// The elements that are open, outermost first.
    open: Vec<Node<'a>>,
    /// How many elements are open that are not kept.
    dropped: usize,
    nodes: usize,
    root: Option<Node<'a>>,
}

impl<'a> Builder<'a, '_> {
    fn event(
        &mut self,
        event: Event<'a>,
        before: usize,
        after: usize,
        resolve: impl Fn(quick_xml::name::QName<'a>, bool) -> Option<Namespace>,
    ) -> Result<(), Fatal> {
        match event {
            Event::Start(tag) => {
                let start = after.saturating_sub(tag.len() + "<>".len());
                self.start(start, tag.len(), tag.name().as_ref().len(), false, resolve)
            }
            Event::Empty(tag) => {
                let start = after.saturating_sub(tag.len() + "</>".len());
                self.start(start, tag.len(), tag.name().as_ref().len(), true, resolve)
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.append(&text.xml10_content(), before),
            Event::CData(text) => self.append(&text.xml10_content(), before),
            Event::GeneralRef(reference) => {
                let resolved = resolved(&reference).ok_or_else(|| {
                    Fatal::new(
                        before,
                        format!("the entity &{}; is not defined", shown(&reference)),
                        "write the character itself; only &lt; &gt; &amp; &quot; &apos; and character references such as &#10; are known",
                    )
                })?;
                self.append(&resolved, before)
            }
            Event::Decl(declaration) => self.declaration(&declaration, before),
            Event::DocType(_) => Err(Fatal::new(
                before,
                "a document type (<!DOCTYPE) is not allowed",
                "remove it: BPMN needs none, and it could define entities that read files or grow without end",
            )),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(
        &mut self,
        start: usize,
        length: usize,
        name_length: usize,
        empty: bool,
        resolve: impl Fn(quick_xml::name::QName<'a>, bool) -> Option<Namespace>,
    ) -> Result<(), Fatal> {
        if self.open.len() + self.dropped >= MAX_DEPTH {
            return Err(Fatal::new(start, format!("elements nest more than {MAX_DEPTH} deep"), "flatten the model"));
        }
        if self.dropped > 0 {
            self.dropped += usize::from(!empty);
            return Ok(());
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(Fatal::new(start, "a second root element follows the first", "remove what stands behind the first one"));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fatal::new(start, format!("the file has more than {MAX_NODES} elements"), "split the model into several files"));
        }
        let node = self.node(start, length, name_length, resolve)?;
        let kept = node.namespace.is_read() || self.open.is_empty();
        if empty {
            self.close(node);
        } else if kept {
            self.open.push(node);
        } else {
            self.close(node);
            self.dropped = 1;
        }
        Ok(())
    }

    fn node(
        &mut self,
        start: usize,
        length: usize,
        name_length: usize,
        resolve: impl Fn(quick_xml::name::QName<'a>, bool) -> Option<Namespace>,
    ) -> Result<Node<'a>, Fatal> {
        let tag = self.text.get(start + 1..start + 1 + length).unwrap_or_default();
        let written = tag.get(..name_length).unwrap_or_default();
        if written.is_empty() {
            return Err(Fatal::new(start, "a tag has no name", "write '&lt;' for a '<' that does not open a tag"));
        }
        let position = self.cursor.at(self.text, start);
        let at = At { position, id: None };
        let qname = quick_xml::name::QName(written);
        let namespace = resolve(qname, true).unwrap_or_else(|| {
            self.undeclared(at, written);
            Namespace::Other
        });
        let mut attributes: Vec<Attribute<'a>> = Vec::new();
        for attribute in Attributes::new(tag, name_length).with_checks(false) {
            let malformed = |reason: String| Fatal::new(start, format!("in the tag '{}': {reason}", shown(written)), "correct the XML");
            let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let written = attribute.key.0;
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(malformed(format!("it has more than {MAX_ATTRIBUTES} attributes")));
            }
            if attributes.iter().any(|other| other.written == written) {
                return Err(malformed(format!("the attribute '{}' stands twice", shown(written))));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| malformed(format!("the attribute '{}': {error}", shown(written))))?;
            let namespace = resolve(attribute.key, false).unwrap_or_else(|| {
                self.undeclared(at, written);
                Namespace::Other
            });
            attributes.push(Attribute { namespace, name: attribute.key.local_name().into_inner(), written, value });
        }
        let name = qname.local_name().into_inner();
        Ok(Node { namespace, name, written, attributes, children: Vec::new(), text: String::new(), position })
    }

    fn undeclared(&mut self, at: At<'_>, written: &str) {
        let prefix = written.split(':').next().unwrap_or_default();
        self.diagnostics.error(
            at,
            format!("the prefix of '{}' is not declared", shown(written)),
            format!("declare it on the root element: xmlns:{}=\"…\"", shown(prefix)),
        );
    }

    fn end(&mut self) {
        if self.dropped > 0 {
            self.dropped -= 1;
        } else if let Some(node) = self.open.pop() {
            self.close(node);
        }
    }

    /// Hands a finished element to the one it stands in.
    fn close(&mut self, node: Node<'a>) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn append(&mut self, text: &str, offset: usize) -> Result<(), Fatal> {
        if self.dropped > 0 {
            return Ok(());
        }
        match self.open.last_mut() {
            Some(node) => node.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => {
                return Err(Fatal::new(
                    offset,
                    "text stands outside of the root element",
                    "remove it; if this is no XML file, leave it out of the deployment or give it another ending",
                ));
            }
        }
        Ok(())
    }

    /// The bytes are UTF-8. A declaration that says otherwise would make other readers see other text.
    fn declaration(&self, declaration: &BytesDecl<'_>, offset: usize) -> Result<(), Fatal> {
        match declaration.encoding() {
            Some(Ok(encoding)) if !encoding.eq_ignore_ascii_case("utf-8") && !self.text.is_ascii() => Err(Fatal::new(
                offset,
                format!("the file declares the encoding '{}'", shown(&encoding)),
                "save it as UTF-8 and declare encoding=\"UTF-8\"",
            )),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, fatal: &Fatal) {
        let position = self.cursor.at(self.text, fatal.offset);
        self.diagnostics.error(At { position, id: None }, fatal.message.clone(), fatal.help);
    }

    fn finish(mut self) -> Option<Node<'a>> {
        if let Some(open) = self.open.last() {
            let at = open.at();
            let message = format!("the tag '{}' is never closed", shown(open.written));
            self.diagnostics.error(at, message, "the file may have been cut off: export or copy it again");
            return None;
        }
        if self.root.is_none() {
            self.fail(&Fatal::new(0, "the file is empty", "export the model again"));
        }
        self.root
    }
}

/// What a reference stands for: a predefined entity or a character that XML allows.
fn resolved<'r>(reference: &'r BytesRef<'_>) -> Option<Cow<'r, str>> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(Cow::Owned(character.to_string())),
        Ok(None) => resolve_xml_entity(reference).map(Cow::Borrowed),
        Err(_) => None,
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Turns byte offsets into lines and columns, going forward only.
struct Cursor {
    offset: usize,
    position: Position,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { offset: 0, position: Position { line: 1, column: 1 } }
    }
}

impl Cursor {
    /// The position of a byte offset; of one that was passed already, the last position.
    fn at(&mut self, text: &str, offset: usize) -> Position {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for character in text.get(self.offset..end).unwrap_or_default().chars() {
            if character == '\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else {
                self.position.column += 1;
            }
        }
        self.offset = self.offset.max(end);
        self.position
    }
}
