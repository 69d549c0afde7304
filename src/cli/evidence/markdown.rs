//! Text in Markdown: whatever a name of the configuration holds, it is read as that name, in a table as well.

use std::fmt::{self, Display, Write};

use askama::filters::Escaper;

/// Escapes what `CommonMark` 0.31 and its tables give a meaning. An address that some readers make a link of shows where it
/// leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Markdown;

impl Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let mut before = None;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let is_in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            match c {
                // A line break would end the cell, the list or the paragraph.
                c if c.is_control() => dest.write_char('\u{fffd}')?,
                '<' => dest.write_str("&lt;")?,
                '>' => dest.write_str("&gt;")?,
                '&' => dest.write_str("&amp;")?,
                // Section 6.2: within a word it means itself.
                '_' if is_in_word(before) && is_in_word(rest.peek().copied()) => {
                    dest.write_char('_')?;
                }
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                    dest.write_char('\\')?;
                    dest.write_char(c)?;
                }
                c => dest.write_char(c)?,
            }
            before = Some(c);
        }
        Ok(())
    }
}

/// A code span that shows the text as it is.
pub(super) fn code(text: impl Display) -> String {
    let text: String = text
        .to_string()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    // CommonMark 0.31 section 6.1: the fence is a run of backticks of another length than all in the text; one space at
    // each end is taken off where both are there. GFM section 4.10: a pipe is escaped in a table's code as well.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.saturating_add(1));
    let touches = text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let space = if touches { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    const HOSTILE: [&str; 14] = [
        "plain",
        "<script>alert(1)</script>",
        "a | b",
        "`a`",
        "``",
        "*a* _b_ ~~c~~",
        "[a](http://evil.example)",
        "![a](http://evil.example)",
        "http://evil.example",
        "tenant_id __x__ a_",
        "&lt;b&gt;",
        "\\|",
        "# a",
        "$x$",
    ];

    /// The text of the only cell below the head of a table, as another reader of Markdown reads it.
    fn cell(markdown: &str) -> String {
        let table = format!("| head |\n| --- |\n| {markdown} |\n");
        let mut text = String::new();
        let mut below = false;
        for event in Parser::new_ext(&table, Options::all()) {
            match event {
                Event::Start(Tag::TableRow) => below = true,
                Event::Text(part) | Event::Code(part) if below => text.push_str(&part),
                Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableCell)
                | Event::End(_)
                | Event::Text(_) => {}
                other => panic!("{markdown}: {other:?}"),
            }
        }
        text
    }

    #[test]
    fn a_hostile_name_is_read_as_that_name_and_nothing_else() {
        for name in HOSTILE {
            let mut escaped = String::new();
            Markdown.write_escaped_str(&mut escaped, name).unwrap();
            assert_eq!(cell(&escaped), name, "{escaped}");
            // A code span in a table keeps the backslash before a pipe in some readers' text; in this one it does not.
            assert_eq!(cell(&code(name)), name, "{}", code(name));
        }
    }

    #[test]
    fn a_line_break_in_a_name_breaks_no_line() {
        let mut escaped = String::new();
        Markdown
            .write_escaped_str(&mut escaped, "a\n\n# b")
            .unwrap();
        assert_eq!(escaped, "a\u{fffd}\u{fffd}\\# b");
        assert_eq!(code("a\nb"), "`a\u{fffd}b`");
    }
}
