//! A page in the language of the man macros: sections, paragraphs, tagged items, examples.

use roff::{Inline, Roff, bold, italic, roman};

/// How wide the source is, so that a change of the text is a readable diff.
const SOURCE_WIDTH: usize = 76;

/// Part of a text, in one font. Blanks separate words, across fragments too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fragment {
    font: Font,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Font {
    Roman,
    Bold,
    Italic,
}

impl Fragment {
    pub(super) fn new(font: Font, text: impl Into<String>) -> Self {
        Fragment { font, text: text.into() }
    }

    fn inline(&self) -> Inline {
        match self.font {
            Font::Roman => roman(&self.text),
            Font::Bold => bold(&self.text),
            Font::Italic => italic(&self.text),
        }
    }
}

/// Reads the markup of the prose: `` `literal` `` is bold, `<placeholder>` is italic.
pub(super) fn markup(text: &str) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut font = Font::Roman;
    let mut rest = text;
    while let Some(at) = rest.find(['`', '<', '>']) {
        let (before, mark) = rest.split_at(at);
        fragments.push(Fragment::new(font, before));
        font = match (mark.as_bytes().first(), font) {
            (Some(b'`'), Font::Roman) => Font::Bold,
            (Some(b'<'), Font::Roman) => Font::Italic,
            _ => Font::Roman,
        };
        rest = mark.get(1..).unwrap_or_default();
    }
    fragments.push(Fragment::new(font, rest));
    fragments.retain(|fragment| !fragment.text.is_empty());
    fragments
}

/// The page under construction.
pub(super) struct Page {
    roff: Roff,
    /// A heading starts a paragraph by itself.
    after_heading: bool,
}

impl Page {
    /// `title` is the whole `.TH` line's arguments.
    pub(super) fn new(title: [&str; 5]) -> Self {
        let mut roff = Roff::new();
        roff.control("TH", title);
        // Names of options must neither be torn apart nor drift apart.
        roff.control("nh", []).control("ad", ["l"]);
        Page { roff, after_heading: false }
    }

    pub(super) fn render(&self) -> String {
        self.roff.render()
    }

    pub(super) fn section(&mut self, heading: &str) {
        self.roff.control("SH", [heading]);
        self.after_heading = true;
    }

    pub(super) fn subsection(&mut self, heading: &str) {
        self.roff.control("SS", [heading]);
        self.after_heading = true;
    }

    /// Starts a new paragraph, which [`Page::fill`] fills.
    pub(super) fn paragraph(&mut self) {
        if !std::mem::take(&mut self.after_heading) {
            self.roff.control("PP", []);
        }
    }

    /// Starts an item under `tag`, likewise.
    pub(super) fn item(&mut self, tag: &[Fragment]) {
        self.roff.control("TP", []);
        self.roff.text(tag.iter().map(Fragment::inline).collect::<Vec<_>>());
    }

    /// Starts an item of a list without tags, likewise.
    pub(super) fn bullet(&mut self) {
        self.roff.control("IP", [r"\(bu", "2"]);
    }

    /// Text to be filled, one word after the other.
    pub(super) fn fill(&mut self, fragments: &[Fragment]) {
        self.after_heading = false;
        let mut line = Vec::new();
        for word in words(fragments) {
            let longer = joined(&line, &word);
            if !line.is_empty() && source_width(&longer) > SOURCE_WIDTH {
                self.line(&line);
                line = word;
            } else {
                line = longer;
            }
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    /// Lines that stay as they are.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.paragraph();
        self.roff.control("RS", ["4"]).control("nf", []);
        for line in text.lines() {
            self.line(&[Fragment::new(Font::Roman, line)]);
        }
        self.roff.control("fi", []).control("RE", []);
    }

    /// Lines in several fonts that stay as they are.
    pub(super) fn lines<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.roff.control("nf", []);
        for line in lines {
            self.line(&markup(line));
        }
        self.roff.control("fi", []);
    }

    fn line(&mut self, fragments: &[Fragment]) {
        self.roff.text(fragments.iter().map(Fragment::inline).collect::<Vec<_>>());
    }
}

/// `line`, a blank, and `word`.
fn joined(line: &[Fragment], word: &[Fragment]) -> Vec<Fragment> {
    let mut joined = line.to_vec();
    match (joined.last_mut(), word.first()) {
        (None, _) => {}
        // Within a font the blank belongs to it, which saves two changes of font.
        (Some(last), Some(first)) if last.font == first.font => last.text.push(' '),
        (Some(last), _) if last.font == Font::Roman => last.text.push(' '),
        _ => joined.push(Fragment::new(Font::Roman, " ")),
    }
    for part in word {
        match joined.last_mut() {
            Some(last) if last.font == part.font => last.text.push_str(&part.text),
            _ => joined.push(part.clone()),
        }
    }
    joined
}

/// Bytes of the line with its escapes.
fn source_width(line: &[Fragment]) -> usize {
    let inlines: Vec<_> = line.iter().map(Fragment::inline).collect();
    Roff::new().text(inlines).to_roff().trim_end().len()
}

/// Splits at blanks; a word may change its font in the middle.
fn words(fragments: &[Fragment]) -> Vec<Vec<Fragment>> {
    let mut words: Vec<Vec<Fragment>> = vec![Vec::new()];
    for fragment in fragments {
        for (n, part) in fragment.text.split(' ').enumerate() {
            if n > 0 {
                words.push(Vec::new());
            }
            if let Some(word) = words.last_mut().filter(|_| !part.is_empty()) {
                word.push(Fragment::new(fragment.font, part));
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let mut page = Page { roff: Roff::new(), after_heading: false };
        page.fill(&markup(text));
        page.roff.to_roff()
    }

    #[test]
    fn markup_becomes_fonts() {
        assert_eq!(
            rendered("use `--size 1G` or <SIZE>,"),
            "use \\fB\\-\\-size 1G\\fR or \\fISIZE\\fR,\n"
        );
        assert_eq!(rendered("`-s`<N>"), "\\fB\\-s\\fR\\fIN\\fR\n");
        assert_eq!(rendered(".start"), "\\&.start\n");
    }

    #[test]
    fn lines_are_filled_between_words() {
        let text = ["word"; 40].join(" ");
        let lines = rendered(&text);
        assert!(lines.lines().count() > 1);
        assert!(lines.lines().all(|line| line.len() <= SOURCE_WIDTH && !line.ends_with(' ')));
        assert_eq!(lines.replace('\n', " ").trim_end(), text);
    }
}
