//! A sample of the pages of some processes, without what is not worth or not fit to be kept.

use std::collections::HashSet;

use crate::corpus::memory::{self, PAGE, Window};

/// A sample has no fewer windows, however small it is: a large process is not the same everywhere.
const FEWEST_WINDOWS: usize = 20;

/// The same windows are chosen of the same address space.
const SEED: u64 = 4096;

/// What was kept and what was not.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) pages: Vec<[u8; PAGE]>,
    /// Swappable pages of all processes, sampled or not.
    pub(crate) swappable: u64,
    /// Sampled pages of one repeated word: no codec sees them.
    pub(crate) same_filled: u64,
    /// Sampled pages that hold a private string.
    pub(crate) private: u64,
}

/// Takes windows of `processes` at random, whole ones, until there are `limit` pages. The order of
/// the pages kept is that of the addresses.
pub(crate) fn take(
    processes: &[u32],
    limit: usize,
    private: &PrivateStrings,
) -> anyhow::Result<Sample> {
    let mut windows = Vec::new();
    let mut seen = HashSet::new();
    for pid in processes {
        windows.append(&mut memory::windows(*pid, window_length(limit), &mut seen)?);
    }
    let swappable = windows.iter().map(|window| u64::from(window.pages())).sum();
    let mut sample = Sample { swappable, ..Sample::default() };

    fastrand::Rng::with_seed(SEED).shuffle(&mut windows);
    let mut kept: Vec<(Window, Vec<[u8; PAGE]>)> = Vec::new();
    let mut count = 0;
    for window in windows {
        if count >= limit {
            break;
        }
        let mut pages = memory::read(&window)?;
        pages.retain(|page| sample.keeps(page, private));
        count += pages.len();
        kept.push((window, pages));
    }
    kept.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    sample.pages = kept.into_iter().flat_map(|(_, pages)| pages).take(limit).collect();
    Ok(sample)
}

/// How many pages a window has in a sample of `limit` pages.
fn window_length(limit: usize) -> usize {
    let longest = (limit / FEWEST_WINDOWS).clamp(1, memory::LONGEST_WINDOW);
    // A power of two, so that windows divide the address space as pages do.
    1 << longest.ilog2()
}

impl Sample {
    fn keeps(&mut self, page: &[u8; PAGE], private: &PrivateStrings) -> bool {
        if is_same_filled(page) {
            self.same_filled += 1;
        } else if private.are_in(page) {
            self.private += 1;
        } else {
            return true;
        }
        false
    }
}

/// Whether one 8-byte word fills the page, as zram asks.
fn is_same_filled(page: &[u8; PAGE]) -> bool {
    let (words, _): (&[[u8; 8]], _) = page.as_chunks();
    words.first().is_some_and(|first| words.iter().all(|word| word == first))
}

/// What no page that is kept may contain.
#[derive(Debug)]
pub(crate) struct PrivateStrings(Vec<Vec<u8>>);

impl PrivateStrings {
    /// Shorter strings would be found everywhere.
    const SHORTEST: usize = 5;

    /// Strings of this machine and its user: those of `more`, and from the environment the home
    /// directory and the values of all variables that sound like a secret. Mail addresses are
    /// private whoever's they are.
    pub(crate) fn of_this_machine(more: impl IntoIterator<Item = String>) -> Self {
        let secret = ["TOKEN", "KEY", "SECRET", "PASS", "PROXY", "INDEX", "CREDENTIAL", "HOST"];
        let variables = std::env::vars().filter(|(name, _)| {
            name == "HOME" || secret.iter().any(|word| name.to_uppercase().contains(word))
        });
        Self::new(variables.map(|(_, value)| value).chain(more))
    }

    fn new(strings: impl IntoIterator<Item = String>) -> Self {
        let long_enough = strings.into_iter().filter(|string| string.len() >= Self::SHORTEST);
        Self(long_enough.map(String::into_bytes).collect())
    }

    fn are_in(&self, page: &[u8; PAGE]) -> bool {
        self.0.iter().any(|string| page.windows(string.len()).any(|found| found == string))
            || has_mail_address(page)
    }
}

/// Whether `bytes` hold something like `name@host.domain`.
fn has_mail_address(bytes: &[u8]) -> bool {
    let at_signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    at_signs.filter_map(|(at, _)| bytes.split_at_checked(at)).any(|(name, sign_and_host)| {
        let host = sign_and_host.strip_prefix(b"@").unwrap_or_default();
        name.last().is_some_and(u8::is_ascii_alphanumeric) && begins_with_host(host)
    })
}

fn begins_with_host(bytes: &[u8]) -> bool {
    let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let end = bytes.iter().position(|byte| !is_of_host(byte)).unwrap_or(bytes.len());
    let mut labels = bytes.get(..end).unwrap_or(bytes).split(|byte| *byte == b'.');
    let is_named = labels.next().is_some_and(|label| label.iter().any(u8::is_ascii_alphabetic));
    is_named && labels.any(|label| label.len() >= 2 && label.iter().all(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_private() -> PrivateStrings {
        PrivateStrings::new([])
    }

    #[test]
    fn a_word_that_fills_a_page_is_seen() {
        let mut page = [0; PAGE];
        for (at, byte) in page.iter_mut().enumerate() {
            *byte = at.to_le_bytes()[0] % 8;
        }
        assert!(is_same_filled(&page));
        page[PAGE - 1] = 0;
        assert!(!is_same_filled(&page));
    }

    #[test]
    fn pages_with_private_strings_are_counted_and_dropped() {
        let private = PrivateStrings::new(["s3cret-value".to_owned(), "ab".to_owned()]);
        let mut page = [0; PAGE];
        page[..2].copy_from_slice(b"ab");
        let mut sample = Sample::default();
        assert!(sample.keeps(&page, &private), "too short to be private");
        page[PAGE - 12..].copy_from_slice(b"s3cret-value");
        assert!(!sample.keeps(&page, &private));
        assert!(!sample.keeps(&[7; PAGE], &private));
        page[PAGE - 12..].copy_from_slice(b"me@home.org ");
        assert!(!sample.keeps(&page, &private));
        assert_eq!((sample.private, sample.same_filled), (2, 1));
    }

    #[test]
    fn windows_are_shorter_in_small_samples() {
        for (limit, length) in [(0, 1), (16, 1), (88, 4), (319, 8), (320, 16), (1024, 16)] {
            assert_eq!(window_length(limit), length, "{limit}");
        }
    }

    #[test]
    fn mail_addresses_are_seen_and_other_signs_are_not() {
        for text in ["To: jane.doe@mail.example.org>", "@ a@b.de", "x@1st.org."] {
            assert!(has_mail_address(text.as_bytes()), "{text}");
        }
        for text in ["", "a@b", "@font.face", "left-pad@1.3.0", "a @b.de", "x@y-z .de", "@@a.bc"] {
            assert!(!has_mail_address(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_sample_has_as_many_pages_as_asked_for_and_none_twice() {
        // A process whose every page can be told by its first word.
        let script = "exec perl -e '$| = 1; print \"x\"; \
            $s .= pack \"Q512\", $_ * 4096 .. $_ * 4096 + 511 for 1 .. 4096; \
            print \"y\"; sleep 60'";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0; 2];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        let sample = take(&[child.id()], 100, &nothing_private()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(sample.pages.len(), 100);
        assert!(sample.swappable > 4096, "{}", sample.swappable);
        let distinct: HashSet<_> = sample.pages.iter().collect();
        assert!(distinct.len() > 90, "{}", distinct.len());
    }
}
