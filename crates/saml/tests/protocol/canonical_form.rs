//! Canonical XML: the specifications' own points one by one, and generated documents compared with `xmlsec1` (libxml2)
//! and bergshamra.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::c14n::{C14nMode, canonicalize_doc};
use bergshamra::xml::{NodeId, NodeSet, uppsala};
use saml::c14n::{Canonicalization, CanonicalizationError, Mode, canonicalize};

use crate::forge::oracle::{temporary_file, xmlsec1};
use crate::forge::random::{Random, rounds};
use crate::forge::sign::{
    EXCLUSIVE, EXCLUSIVE_WITH_COMMENTS, INCLUSIVE, INCLUSIVE_WITH_COMMENTS, SHA256, digest_of,
};

/// The canonical form of the element `<apex>` in a document.
fn apex(xml: &str, how: &Canonicalization<'_>) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = document.descendants().find(|node| node.tag_name().name() == "apex").unwrap();
    let mut out = String::new();
    canonicalize(node, None, how, &mut out).unwrap();
    out
}

fn exclusive(prefixes: &str) -> Canonicalization<'_> {
    Canonicalization { inclusive_prefixes: prefixes, ..Canonicalization::EXCLUSIVE }
}

#[test]
fn exclusive_shows_the_namespaces_that_are_used() {
    for (xml, canonical) in [
        ("<apex/>", "<apex></apex>"),
        ("<r xmlns='urn:d' xmlns:a='urn:a'><apex/></r>", "<apex xmlns=\"urn:d\"></apex>"),
        (
            "<r xmlns:a='urn:a' xmlns:b='urn:b'><apex a:x='1'><b:c/></apex></r>",
            "<apex xmlns:a=\"urn:a\" a:x=\"1\"><b:c xmlns:b=\"urn:b\"></b:c></apex>",
        ),
        (
            "<a:apex xmlns:a='urn:a'><a:b xmlns:a='urn:a'/></a:apex>",
            "<a:apex xmlns:a=\"urn:a\"><a:b></a:b></a:apex>",
        ),
        (
            "<a:apex xmlns:a='urn:a'><a:b xmlns:a='urn:b'><a:c xmlns:a='urn:a'/></a:b></a:apex>",
            "<a:apex xmlns:a=\"urn:a\"><a:b xmlns:a=\"urn:b\"><a:c xmlns:a=\"urn:a\"></a:c></a:b></a:apex>",
        ),
        (
            "<apex xmlns='urn:d'><b xmlns=''><c/></b></apex>",
            "<apex xmlns=\"urn:d\"><b xmlns=\"\"><c></c></b></apex>",
        ),
        ("<r xmlns='urn:d'><apex xmlns=''/></r>", "<apex></apex>"),
        ("<r xml:lang='en'><apex xml:space='preserve'/></r>", "<apex xml:space=\"preserve\"></apex>"),
        (
            "<apex xmlns:a='urn:a'><x a:b=''/><x a:b=''/></apex>",
            "<apex><x xmlns:a=\"urn:a\" a:b=\"\"></x><x xmlns:a=\"urn:a\" a:b=\"\"></x></apex>",
        ),
    ] {
        assert_eq!(apex(xml, &Canonicalization::EXCLUSIVE), canonical, "{xml}");
    }
}

#[test]
fn exclusive_adds_the_namespaces_of_the_prefix_list() {
    for (prefixes, xml, canonical) in [
        ("a", "<r xmlns:a='urn:a' xmlns:b='urn:b'><apex/></r>", "<apex xmlns:a=\"urn:a\"></apex>"),
        (
            " b\n a ",
            "<r xmlns:a='urn:a' xmlns:b='urn:b'><apex/></r>",
            "<apex xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"></apex>",
        ),
        (
            "#default",
            "<r xmlns='urn:d'><a:apex xmlns:a='urn:a'/></r>",
            "<a:apex xmlns=\"urn:d\" xmlns:a=\"urn:a\"></a:apex>",
        ),
        (
            "a",
            "<apex xmlns:a='urn:a'><x xmlns:a='urn:b'/></apex>",
            "<apex xmlns:a=\"urn:a\"><x xmlns:a=\"urn:b\"></x></apex>",
        ),
        ("nope xml", "<apex xml:lang='en'/>", "<apex xml:lang=\"en\"></apex>"),
    ] {
        assert_eq!(apex(xml, &exclusive(prefixes)), canonical, "{xml}");
    }
}

#[test]
fn inclusive_shows_all_namespaces_and_inherits_xml_attributes() {
    for (xml, canonical) in [
        (
            "<r xmlns='urn:d' xmlns:b='urn:b' xmlns:a='urn:a'><apex/></r>",
            "<apex xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"></apex>",
        ),
        ("<r xmlns='urn:d'><apex xmlns=''/></r>", "<apex></apex>"),
        ("<apex xmlns='urn:d'><b xmlns=''/></apex>", "<apex xmlns=\"urn:d\"><b xmlns=\"\"></b></apex>"),
        (
            "<a xml:lang='en' xml:base='urn:x'><b xml:lang='de'><apex z='1'><c/></apex></b></a>",
            "<apex z=\"1\" xml:base=\"urn:x\" xml:lang=\"de\"><c></c></apex>",
        ),
        (
            "<apex xmlns:a='urn:a'><b xmlns:a='urn:a' xmlns:c='urn:c'/></apex>",
            "<apex xmlns:a=\"urn:a\"><b xmlns:c=\"urn:c\"></b></apex>",
        ),
    ] {
        assert_eq!(apex(xml, &Canonicalization::INCLUSIVE), canonical, "{xml}");
    }
}

#[test]
fn text_attributes_comments_and_instructions_are_written_as_prescribed() {
    for (xml, canonical) in [
        ("<apex>&amp;&lt;&gt;&quot;&apos;\t&#13;\n</apex>", "<apex>&amp;&lt;&gt;\"'\t&#xD;\n</apex>"),
        (
            "<apex a='&amp;&lt;&gt;&quot;&apos;&#9;&#10;&#13;'/>",
            "<apex a=\"&amp;&lt;>&quot;'&#x9;&#xA;&#xD;\"></apex>",
        ),
        ("<apex a=' \t x\ny '/>", "<apex a=\"   x y \"></apex>"),
        ("<apex><![CDATA[<a>&amp;]]>x</apex>", "<apex>&lt;a&gt;&amp;amp;x</apex>"),
        ("<apex><!-- c --><?p  d ?><?q?></apex>", "<apex><?p d ?><?q?></apex>"),
        ("<apex  z = '1'   a= \"2\"  />", "<apex a=\"2\" z=\"1\"></apex>"),
        (
            "<apex xmlns:b='urn:1' xmlns:a='urn:2' b:z='1' a:a='2' c='3'/>",
            "<apex xmlns:a=\"urn:2\" xmlns:b=\"urn:1\" c=\"3\" b:z=\"1\" a:a=\"2\"></apex>",
        ),
        ("<apex>é&#233;&#x1F600;😀</apex>", "<apex>éé😀😀</apex>"),
        ("<é:apex xmlns:é='urn:é'/>", "<é:apex xmlns:é=\"urn:é\"></é:apex>"),
    ] {
        assert_eq!(apex(xml, &Canonicalization::EXCLUSIVE), canonical, "{xml}");
    }
    let with_comments = Canonicalization { with_comments: true, ..Canonicalization::EXCLUSIVE };
    assert_eq!(apex("<apex><!-- c --></apex>", &with_comments), "<apex><!-- c --></apex>");
}

#[test]
fn a_subtree_is_left_out_whole() {
    let document = roxmltree::Document::parse("<apex>a<b>c<d/></b>e<b/></apex>").unwrap();
    for (at, canonical) in [(0, "<apex>ae<b></b></apex>"), (1, "<apex>a<b>c<d></d></b>e</apex>")] {
        let without = document.root_element().children().filter(|node| node.is_element()).nth(at);
        let mut out = String::new();
        canonicalize(document.root_element(), without, &Canonicalization::EXCLUSIVE, &mut out).unwrap();
        assert_eq!(out, canonical);
    }
}

#[test]
fn what_has_no_canonical_form_is_an_error() {
    let mut out = String::new();
    for xml in ["<a xmlns='relative'/>", "<a:a xmlns:a='./x'/>"] {
        let document = roxmltree::Document::parse(xml).unwrap();
        let result = canonicalize(document.root_element(), None, &Canonicalization::EXCLUSIVE, &mut out);
        assert!(matches!(result, Err(CanonicalizationError::RelativeNamespace(_))), "{xml}");
    }
    let document = roxmltree::Document::parse("<a>text</a>").unwrap();
    let text = document.root_element().first_child().unwrap();
    for node in [text, document.root()] {
        let result = canonicalize(node, None, &Canonicalization::EXCLUSIVE, &mut out);
        assert_eq!(result, Err(CanonicalizationError::NotAnElement));
    }
}

#[test]
fn deep_documents_do_not_exhaust_the_stack() {
    let xml = format!("{}<apex/>{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let document = roxmltree::Document::parse(&xml).unwrap();
    let mut out = String::new();
    canonicalize(document.root_element(), None, &Canonicalization::EXCLUSIVE, &mut out).unwrap();
    assert_eq!(out.len(), xml.len() - "<apex/>".len() + "<apex></apex>".len());
}

/// Generates elements with every trap that canonicalization has.
struct Generator {
    random: Random,
    xml: String,
    /// Prefixes in scope, innermost last.
    scope: Vec<&'static str>,
    /// The next id to give out.
    apexes: usize,
    /// Whether attribute values have line breaks as they are: bergshamra's parser does not make them spaces, as XML 1.0
    /// section 3.3.3 says.
    has_line_breaks_in_attributes: bool,
}

const PREFIXES: [&str; 5] = ["a", "b", "saml2", "xs", "é"];
/// Without `&`, which libxml2 does not escape in a namespace name and the front door does not let in.
const NAMESPACES: [&str; 6] =
    ["urn:a", "urn:b", "urn:c", "http://www.w3.org/2001/XMLSchema", "urn:x:%22y", "urn:B"];
const NAMES: [&str; 6] = ["a", "b", "Issuer", "z-1", "ü", "_"];
const TEXTS: [&str; 14] = [
    "",
    "text",
    " ",
    "\n  ",
    "&amp;",
    "&lt;",
    ">",
    "&quot;",
    "'",
    "&#13;",
    "&#9;",
    "&#xA;",
    "é😀&#x1F600;",
    "]] >",
];

impl Generator {
    /// A batch of documents under one root.
    fn batch(seed: u64, documents: usize, has_line_breaks_in_attributes: bool) -> (String, usize) {
        let mut generator = Self {
            random: Random::new(seed),
            xml: String::new(),
            scope: Vec::new(),
            apexes: 0,
            has_line_breaks_in_attributes,
        };
        generator.xml.push_str(
            "<batch xmlns:xs=\"urn:outer\" xmlns:outer=\"urn:outer\" xml:lang=\"en\" xml:space=\"preserve\">",
        );
        generator.scope.extend(["xs", "outer"]);
        for _ in 0..documents {
            generator.element(0);
        }
        generator.xml.push_str("</batch>");
        (generator.xml, generator.apexes)
    }

    fn element(&mut self, depth: usize) {
        let outer_scope = self.scope.len();
        let mut attributes: Vec<String> = Vec::new();
        let mut declared: Vec<&str> = Vec::new();
        for _ in 0..self.random.below(4) {
            let prefix = self.random.pick(&PREFIXES);
            if !declared.contains(&prefix) {
                declared.push(prefix);
                self.scope.push(prefix);
                attributes.push(format!("xmlns:{prefix}=\"{}\"", self.random.pick(&NAMESPACES)));
            }
        }
        match self.random.below(6) {
            0 => attributes.push(format!("xmlns='{}'", self.random.pick(&NAMESPACES))),
            1 => attributes.push("xmlns=\"\"".to_owned()),
            _ => {}
        }
        for (at, name) in NAMES.iter().enumerate() {
            if self.random.once_in(3) {
                // A different local name for each prefix, as two prefixes may mean one namespace.
                let name = match self.prefix() {
                    "" => (*name).to_owned(),
                    prefix => format!("{prefix}:{name}{at}"),
                };
                let mut value = self.text().replace('<', "&lt;");
                if !self.has_line_breaks_in_attributes {
                    value = value.replace('\n', " ");
                }
                attributes.push(match self.random.below(3) {
                    0 => format!("{name} = '{}'", value.replace('\'', "&apos;")),
                    _ => format!("{name}=\"{value}\""),
                });
            }
        }
        for name in ["lang", "space", "base"] {
            if self.random.once_in(8) {
                attributes.push(format!("xml:{name}=\"{}\"", self.random.pick(&["de", "default", "urn:x"])));
            }
        }
        if self.random.once_in(2) {
            attributes.push(format!("xml:id=\"i{}\"", self.apexes));
            self.apexes += 1;
        }
        // Declarations and attributes in any order.
        for at in (1..attributes.len()).rev() {
            attributes.swap(at, self.random.below(at + 1));
        }
        let name = match self.prefix() {
            "" => self.random.pick(&NAMES).to_owned(),
            prefix => format!("{prefix}:{}", self.random.pick(&NAMES)),
        };
        self.xml.push('<');
        self.xml.push_str(&name);
        for attribute in attributes {
            self.xml.push_str(self.random.pick(&[" ", "  ", "\n\t"]));
            self.xml.push_str(&attribute);
        }
        let children = if depth < 5 { self.random.below(5) } else { 0 };
        if children == 0 && self.random.once_in(2) {
            self.xml.push_str(self.random.pick(&["/>", " />"]));
        } else {
            self.xml.push('>');
            for _ in 0..children {
                self.child(depth);
            }
            write!(self.xml, "</{name}{}>", self.random.pick(&["", " "])).unwrap();
        }
        self.scope.truncate(outer_scope);
    }

    fn child(&mut self, depth: usize) {
        match self.random.below(8) {
            0 => {
                let text = self.text();
                self.xml.push_str(&text);
            }
            1 => self.xml.push_str("<!-- comment & more -->"),
            2 => self.xml.push_str(self.random.pick(&["<?pi?>", "<?pi  data ?>", "<?pi a='<'?>"])),
            3 => {
                self.xml.push_str(self.random.pick(&[
                    "<![CDATA[]]>",
                    "<![CDATA[<&>\"]]>",
                    "a<![CDATA[b]]>c",
                ]));
            }
            _ => self.element(depth + 1),
        }
    }

    fn text(&mut self) -> String {
        (0..self.random.below(4)).map(|_| self.random.pick(&TEXTS)).collect()
    }

    /// A prefix in scope, or none.
    fn prefix(&mut self) -> &'static str {
        if self.scope.is_empty() || self.random.once_in(2) {
            ""
        } else {
            self.scope[self.random.below(self.scope.len())]
        }
    }
}

/// The ways in which every apex is canonicalised: the algorithm's URI and the prefix list.
const WAYS: [(&str, &str); 8] = [
    (EXCLUSIVE, ""),
    (EXCLUSIVE, "a xs"),
    (EXCLUSIVE, "#default é saml2 b"),
    (EXCLUSIVE, "outer"),
    (EXCLUSIVE_WITH_COMMENTS, ""),
    (EXCLUSIVE_WITH_COMMENTS, "#default xs"),
    (INCLUSIVE, ""),
    (INCLUSIVE_WITH_COMMENTS, ""),
];

fn our_form(document: &roxmltree::Document<'_>, id: &str, uri: &str, prefixes: &str) -> String {
    let is_id =
        |a: &roxmltree::Attribute<'_, '_>| a.namespace().is_some() && a.name() == "id" && a.value() == id;
    let node = document.descendants().find(|node| node.attributes().any(|a| is_id(&a))).unwrap();
    let how = Canonicalization {
        mode: if uri.contains("exc-c14n") { Mode::Exclusive } else { Mode::Inclusive },
        with_comments: uri.ends_with("WithComments"),
        inclusive_prefixes: prefixes,
    };
    let mut out = String::new();
    canonicalize(node, None, &how, &mut out).unwrap();
    out
}

#[test]
fn generated_documents_have_the_form_that_bergshamra_gives_them() {
    let mut compared = 0;
    for seed in 0..u64::try_from(rounds(400)).unwrap() {
        let (xml, apexes) = Generator::batch(seed, 1, false);
        let ours = roxmltree::Document::parse(&xml).unwrap();
        let theirs = uppsala::parse(&xml).unwrap();
        for apex in 0..apexes {
            let id = format!("i{apex}");
            let node = *theirs
                .descendants(theirs.root())
                .iter()
                .find(|node| {
                    theirs.get_attribute_ns(**node, "http://www.w3.org/XML/1998/namespace", "id") == Some(&id)
                })
                .unwrap();
            for (uri, prefixes) in WAYS {
                let theirs = bergshamra_form(&theirs, node, uri, prefixes);
                assert_eq!(
                    our_form(&ours, &id, uri, prefixes),
                    theirs,
                    "{uri} {prefixes} {id} of seed {seed}: {xml}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "only {compared}");
}

fn bergshamra_form(document: &uppsala::Document<'_>, node: NodeId, uri: &str, prefixes: &str) -> String {
    let set = if uri.ends_with("WithComments") {
        NodeSet::tree_with_comments(node, document)
    } else {
        NodeSet::tree_without_comments(node, document)
    };
    let prefixes: Vec<&str> = prefixes.split_whitespace().collect();
    let octets = canonicalize_doc(document, C14nMode::from_uri(uri).unwrap(), Some(&set), &prefixes).unwrap();
    String::from_utf8(octets).unwrap()
}

#[test]
fn generated_documents_have_the_digests_that_xmlsec1_gives_them() {
    // Small, because xmlsec1 walks the whole document for each reference.
    const BATCH: usize = 4;
    let key = temporary_file("secret");
    let mut compared = 0;
    for seed in 0..u64::try_from(rounds(400).div_ceil(BATCH)).unwrap() {
        let (xml, apexes) = Generator::batch(1_000_000 + seed, BATCH, true);
        if apexes == 0 {
            continue;
        }
        let ours = roxmltree::Document::parse(&xml).unwrap();
        let mut references = String::new();
        let mut expected = Vec::new();
        for apex in 0..apexes {
            for (uri, prefixes) in WAYS {
                let id = format!("i{apex}");
                let form = our_form(&ours, &id, uri, prefixes);
                references.push_str(&reference(&id, uri, prefixes));
                expected.push((id, uri, prefixes, form));
            }
        }
        let template = swap_end(
            &xml,
            &format!(
                "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo><CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/><SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"/>{references}</SignedInfo><SignatureValue/></Signature>"
            ),
        );
        let output = xmlsec1(&["--sign", "--hmackey", key.to_str().unwrap()], &template);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let signed = String::from_utf8(output.stdout).unwrap();
        let signed = roxmltree::Document::parse(&signed).unwrap();
        let digests: Vec<_> =
            signed.descendants().filter(|node| node.tag_name().name() == "DigestValue").collect();
        assert_eq!(digests.len(), expected.len());
        for (digest, (id, uri, prefixes, form)) in digests.iter().zip(expected) {
            let ours = STANDARD.encode(digest_of(SHA256, form.as_bytes()));
            let theirs: String = digest.text().unwrap().split_whitespace().collect();
            assert_eq!(ours, theirs, "{uri} {prefixes} {id} of seed {seed}: we have {form}\n{xml}");
            compared += 1;
        }
    }
    std::fs::remove_file(key).unwrap();
    assert!(compared > 1000, "only {compared}");
}

/// A reference whose digest is to be filled in. A fragment selects no comments, an XPointer does.
fn reference(id: &str, uri: &str, prefixes: &str) -> String {
    let target =
        if uri.ends_with("WithComments") { format!("#xpointer(id('{id}'))") } else { format!("#{id}") };
    let parameters = if prefixes.is_empty() {
        String::new()
    } else {
        format!("<InclusiveNamespaces xmlns=\"{EXCLUSIVE}\" PrefixList=\"{prefixes}\"/>")
    };
    format!(
        "<Reference URI=\"{target}\"><Transforms><Transform Algorithm=\"{uri}\">{parameters}</Transform></Transforms><DigestMethod Algorithm=\"{SHA256}\"/><DigestValue/></Reference>"
    )
}

fn swap_end(xml: &str, signature: &str) -> String {
    crate::forge::swap_last(xml, "</batch>", &format!("{signature}</batch>"))
}
