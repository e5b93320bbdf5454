//! The C library's idea of the user's locale, and the crate's only unsafe code.
//!
//! Stock zramctl adopts the locale of the environment and lets it decide three visible things: the
//! decimal point of sizes (printed and parsed), whether bytes of a mount point above 0x7f are
//! text, and how many terminal cells a character fills. Asking the same library is the only way
//! to get the same answers: which locales are installed, and the Unicode version of their tables,
//! differ from host to host.
#![expect(unsafe_code, reason = "setlocale, nl_langinfo and wcwidth have no safe wrapper")]

use std::ffi::CStr;

/// What the program needs to know of the locale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locale {
    /// Text is UTF-8. Any other character set is treated as ASCII.
    pub(crate) utf8: bool,
    /// What stands between the whole and the fraction of a number, most often `.` or `,`.
    pub(crate) decimal_point: String,
}

impl Locale {
    /// Adopts the locale of `LC_ALL`, `LC_*` and `LANG` for the process, and describes it.
    ///
    /// To be called once, first thing in `main`, **before any thread is started**: `setlocale`
    /// changes state that C functions read without a lock, and the strings of `nl_langinfo` are
    /// its own and overwritten by the next call of either. An unknown locale leaves "C" in place,
    /// as it does for every C program.
    pub(crate) fn from_environment() -> Self {
        // Two categories out of twelve: a locale is a directory of files, and reading all of them
        // costs as much as listing four devices.
        for category in [libc::LC_CTYPE, libc::LC_NUMERIC] {
            // SAFETY: the argument is a NUL-terminated string that lives for ever. That no other
            // thread reads the locale meanwhile is what this function's documentation demands; the
            // returned pointer is not used.
            unsafe { libc::setlocale(category, c"".as_ptr()) };
        }

        Self {
            utf8: langinfo(libc::CODESET).as_deref().is_some_and(is_utf8),
            decimal_point: langinfo(libc::RADIXCHAR)
                .filter(|point| !point.is_empty())
                .unwrap_or_else(|| ".".to_owned()),
        }
    }
}

/// Terminal cells that `c` fills in the adopted locale; `None` if it can not be printed.
///
/// Exact only after [`Locale::from_environment`]: in the "C" locale everything above ASCII counts
/// as not printable.
pub(crate) fn char_width(c: char) -> Option<usize> {
    let c = libc::wchar_t::try_from(u32::from(c)).ok()?;
    // SAFETY: `wcwidth` takes any value, keeps no pointer, and is thread-safe as long as nobody
    // calls `setlocale`, which only `from_environment` does, before there are threads.
    let cells = unsafe { wcwidth(c) };
    usize::try_from(cells).ok()
}

unsafe extern "C" {
    /// POSIX; the libc crate does not declare it.
    fn wcwidth(c: libc::wchar_t) -> libc::c_int;
}

/// A property of the current locale, `None` where the library has no UTF-8 text for it.
fn langinfo(item: libc::nl_item) -> Option<String> {
    // SAFETY: any item may be asked for; the answer is read before anybody asks again, see
    // `from_environment`, the only caller.
    let text = unsafe { libc::nl_langinfo(item) };
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and POSIX promises a NUL-terminated string that stays until the next call
    // of `setlocale` or `nl_langinfo`; it is copied before this function returns.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_owned)
}

/// Whether a codeset name means UTF-8, which libraries spell in several ways.
fn is_utf8(codeset: &str) -> bool {
    codeset.eq_ignore_ascii_case("UTF-8") || codeset.eq_ignore_ascii_case("UTF8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The locale is process state and tests are threads, so each locale gets a process: this
    /// test binary, told to run [`print_locale`] only.
    fn locale_in_child(lc_all: &str) -> String {
        let (_, module) = module_path!().split_once("::").unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .arg(format!("{module}::print_locale"))
            .args(["--exact", "--ignored", "--nocapture"])
            .env("LC_ALL", lc_all)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let (_, answer) = stdout.split_once("<<").unwrap();
        answer.split_once(">>").unwrap().0.to_owned()
    }

    #[test]
    #[ignore = "changes the locale of the process; started by the other tests"]
    fn print_locale() {
        let locale = Locale::from_environment();
        let widths = ['a', '\u{e9}', '\u{6f22}', '\u{301}', '\u{85}', '\n'].map(char_width);
        print!("<<{} {} {widths:?}>>", locale.utf8, locale.decimal_point);
    }

    #[test]
    fn the_c_locale_is_ascii() {
        assert_eq!(locale_in_child("C"), "false . [Some(1), None, None, None, None, None]",);
    }

    #[test]
    fn an_unknown_locale_is_the_c_locale() {
        assert_eq!(locale_in_child("xx_XX.nonsense"), locale_in_child("C"));
    }

    #[test]
    fn a_utf8_locale_knows_wide_and_combining_characters() {
        assert_eq!(
            locale_in_child("C.UTF-8"),
            "true . [Some(1), Some(1), Some(2), Some(0), None, None]",
        );
    }

    #[test]
    fn codeset_names() {
        assert!(is_utf8("UTF-8") && is_utf8("utf8"));
        assert!(!is_utf8("ANSI_X3.4-1968") && !is_utf8("ISO-8859-1") && !is_utf8(""));
    }
}
