//! Just enough DER (ITU-T X.690) to read a certificate: definite lengths, minimally encoded, single-byte tags.

use crate::time::{civil, digits};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed: the version of a certificate.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// One element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag, without taking it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let (tag, after_tag) = self.rest.split_first()?;
        let (first, after_first) = after_tag.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, after_length) = match first {
            0..=0x7f => (usize::from(*first), after_first),
            0x81..=0x83 => {
                let (octets, rest) = after_first.split_at_checked(usize::from(first & 0x7f))?;
                let length = octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
                let minimal = length > 0x7f && octets.first() != Some(&0);
                (minimal.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = after_length.split_at_checked(length)?;
        self.rest = rest;
        Some(Element { tag: *tag, content })
    }

    /// The next element, if it has `tag`.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    /// The content of the one element with `tag` that is all there is.
    pub(super) fn only(bytes: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut reader = Self::new(bytes);
        let element = reader.expect(tag)?;
        reader.is_empty().then_some(element.content)
    }
}

/// `UTCTime` or `GeneralizedTime` as RFC 5280 section 4.1.2.5 allows them, in epoch milliseconds.
pub(super) fn time(element: &Element<'_>) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let (year, rest) = element.content.split_at_checked(2)?;
            let year = digits(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = element.content.split_at_checked(4)?;
            (digits(year)?, rest)
        }
        _ => return None,
    };
    let [month1, month2, day1, day2, hour1, hour2, minute1, minute2, second1, second2, b'Z'] = rest else {
        return None;
    };
    civil(
        year,
        digits(&[*month1, *month2])?,
        digits(&[*day1, *day2])?,
        digits(&[*hour1, *hour2])?,
        digits(&[*minute1, *minute2])?,
        digits(&[*second1, *second2])?,
    )
}

/// A distinguished name for people: `CN=idp.example.com, O=Example`.
pub(super) fn distinguished_name(name: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut sets = Reader::new(name);
    while !sets.is_empty() {
        let mut attributes = Reader::new(sets.expect(SET)?.content);
        while !attributes.is_empty() {
            let mut attribute = Reader::new(attributes.expect(SEQUENCE)?.content);
            let kind = attribute.expect(OBJECT_IDENTIFIER)?;
            let value = attribute.next()?;
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&attribute_type(kind.content));
            text.push('=');
            text.push_str(&string(&value));
        }
    }
    Some(text)
}

/// The short name of an attribute type (RFC 4514 section 3), or its dotted object identifier.
fn attribute_type(identifier: &[u8]) -> String {
    let known = match identifier {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        _ => return dotted(identifier),
    };
    known.to_owned()
}

fn dotted(identifier: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc: u64 = 0;
    for octet in identifier {
        arc = arc.wrapping_shl(7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first.to_string());
                arc -= first * 40;
            }
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}

/// A directory string for people; what is not text is shown as replacement characters.
fn string(value: &Element<'_>) -> String {
    const TELETEX: u8 = 0x14;
    const UNIVERSAL: u8 = 0x1c;
    const BMP: u8 = 0x1e;
    match value.tag {
        TELETEX => value.content.iter().map(|byte| char::from(*byte)).collect(),
        BMP => {
            let units = value
                .content
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet)));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        UNIVERSAL => value
            .content
            .chunks_exact(4)
            .map(|four| four.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
            .map(|scalar| char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => String::from_utf8_lossy(value.content).into_owned(),
    }
}
