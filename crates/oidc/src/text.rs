//! Text of other parties made fit for an operator's eyes.

/// At most `max` characters of `text`, with control and other invisible formatting characters replaced, so
/// that a line in a log or on a timeline stays one line. Not an HTML escape: pages escape on their own.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let mut shown: String =
        text.chars().take(max).map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

/// Controls, line separators and the bidirectional overrides that can make text read as something else.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}
