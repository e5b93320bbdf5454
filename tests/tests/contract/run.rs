//! Starts the program, and says how it must answer.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use trueno_tests::program::zramctl;

/// What every line on standard error starts with.
const SPEAKER: &str = "trueno-zramctl: ";

/// The program, ready to be given arguments, with nothing in its environment that changes what it
/// prints.
pub(crate) fn program(root: &Path) -> Command {
    let mut command = Command::new(zramctl());
    for variable in [
        "POSIXLY_CORRECT",
        "NO_COLOR",
        "COLUMNS",
        "LANG",
        "LC_CTYPE",
        "LC_NUMERIC",
        "TRUENO_ZRAM_KIND",
    ] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C").env("TRUENO_ZRAM_ROOT", root);
    command
}

/// The words of a line: blanks separate them, single quotes hold them together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            word.get_or_insert_default().push_str(part);
            continue;
        }
        for (index, piece) in part.split(' ').enumerate() {
            if index > 0 {
                words.extend(word.take());
            }
            if !piece.is_empty() {
                word.get_or_insert_default().push_str(piece);
            }
        }
    }
    words.extend(word);
    words
}

/// What came of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("this test expects text");
        Answer {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

pub(crate) fn answer(command: &mut Command) -> Answer {
    command.output().expect("the program starts").into()
}

pub(crate) fn run(root: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Answer {
    answer(program(root).args(arguments))
}

/// Success, with exactly that on standard output and nothing on standard error.
#[track_caller]
pub(crate) fn prints(root: &Path, line: &str, stdout: &str) {
    let answer = run(root, words(line));
    assert_eq!(answer.stdout, stdout, "{line}: {}", answer.stderr);
    assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
}

/// Failure, with exactly that on standard error (behind the program's name) and nothing printed.
#[track_caller]
pub(crate) fn refuses(root: &Path, line: &str, stderr: &str) {
    let answer = run(root, words(line));
    assert_eq!(answer.stderr, format!("{SPEAKER}{stderr}\n"), "{line}");
    assert_eq!((answer.status, &*answer.stdout), (Some(1), ""), "{line}");
}

/// Each line a test: `name: SYSTEM, ARGUMENTS => OUTPUT;`
macro_rules! prints {
    ($($name:ident: $system:expr, $line:expr => $stdout:expr;)*) => {$(
        #[test]
        fn $name() {
            crate::run::prints($system.root(), $line, $stdout);
        }
    )*};
}

/// Each line a test: `name: SYSTEM, ARGUMENTS => COMPLAINT;`
macro_rules! refuses {
    ($($name:ident: $system:expr, $line:expr => $stderr:expr;)*) => {$(
        #[test]
        fn $name() {
            crate::run::refuses($system.root(), $line, $stderr);
        }
    )*};
}

#[test]
fn words_of_a_line() {
    assert_eq!(words("-o  a 'b c'd '' e"), ["-o", "a", "b cd", "", "e"]);
    assert_eq!(words(""), [""; 0]);
}
