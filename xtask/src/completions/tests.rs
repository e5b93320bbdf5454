use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use trueno_zramctl::columns::COLUMNS;
use trueno_zramctl::options::OPTIONS;

use super::*;
use crate::skip::skip;

#[test]
fn every_option_and_column_is_in_every_script() {
    for File { path, contents } in files() {
        let contents = String::from_utf8(contents).unwrap();
        // fish names options without dashes.
        let word = |c: char| !(c.is_alphanumeric() || c == '-');
        let words: BTreeSet<_> =
            contents.split(word).map(|word| word.trim_start_matches('-')).collect();
        for name in OPTIONS.iter().map(|row| row.long).chain(COLUMNS.iter().map(|row| row.name)) {
            let fish_column = format!("{name}\\t");
            assert!(words.contains(name) || contents.contains(&fish_column), "{path}: {name}");
        }
        let is_mark = |part: &str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_uppercase());
        assert!(!contents.split('@').any(is_mark), "{path}: a mark is left");
    }
}

/// What is typed behind the command, what has to be offered, and what must not be. Of what is
/// offered, only what stands behind the last `=`, `,` or `+` counts: shells differ in whether they
/// repeat what is in front of it.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("--al", &["--algorithm", "--algorithm-params"], &["--size", "/dev/zram0"]),
    ("--output-", &["--output-all"], &["--output"]),
    ("-a l", &["lzo", "lzo-rle", "lz4"], &["zstd", "[lzo-rle]"]),
    ("-bfa z", &["zstd"], &["lz4"]),
    ("--algorithm z", &["zstd"], &["lz4"]),
    ("--algorithm=z", &["zstd"], &["lz4"]),
    ("--recompress-algorithm zs", &["zstd"], &["lz4"]),
    ("-o na", &["NAME"], &["DATA"]),
    ("-o NAME,d", &["DATA", "DISKSIZE"], &["NAME"]),
    ("-o NAME,data,D", &["DISKSIZE"], &["DATA"]),
    ("-o +pr", &["PRIO"], &["NAME"]),
    ("-o +NAME,prio,", &["DATA"], &["NAME", "PRIO"]),
    ("--output COMP", &["COMPR", "COMP-RATIO"], &["NAME"]),
    ("--output=NAME,KI", &["KIND"], &["NAME"]),
    ("--recompress=h", &["huge", "huge_idle"], &["idle"]),
    ("--writeback=i", &["idle", "incompressible"], &["huge"]),
    ("--writeback /d", &["/dev/zram0"], &["idle"]),
    ("--color=a", &["auto", "always"], &["never"]),
    ("-s ", &[], &["/dev/zram0", "--size"]),
    ("--size=", &[], &["/dev/zram0", "--size"]),
    ("", &["/dev/zram0", "/dev/zram12"], &["zram0", "/dev/zramfoo"]),
    ("-n zr", &["zram0", "zram12"], &["/dev/zram0"]),
    ("-r ", &["/dev/zram0", "/dev/trueno/zram3"], &["zram3", "/dev/trueno/zramfoo"]),
    ("-r tr", &["trueno/zram3"], &["zram3", "/dev/trueno/zram3", "zram0"]),
    ("-r /dev/trueno/zram3 /dev/t", &[], &["/dev/trueno/zram3"]),
    ("--find --kind ", &["kernel", "ublk"], &["/dev/zram0"]),
    ("-r /dev/zram0 /dev/", &["/dev/zram12"], &["/dev/zram0"]),
    ("-r -- z", &["zram0"], &[]),
    ("--sysroot ROOT/s", &["ROOT/sys"], &["ROOT/dev"]),
];

/// A tree with two devices of the kernel, one of trueno-ublk, and things that look like devices.
struct Tree(PathBuf);

impl Tree {
    fn new(shell: &str) -> Self {
        let name = format!("xtask-completions-{}-{shell}", std::process::id());
        let tree = Tree(std::env::temp_dir().join(name));
        for directory in ["dev/trueno", "sys/block/zram0", "sys/block/zram12", "home"] {
            fs::create_dir_all(tree.0.join(directory)).unwrap();
        }
        for node in ["zram0", "zram12", "zramfoo", "zram-control", "trueno/zram3", "trueno/zramfoo"]
        {
            fs::write(tree.0.join("dev").join(node), "").unwrap();
        }
        let algorithms =
            |device: &str| tree.0.join("sys/block").join(device).join("comp_algorithm");
        fs::write(algorithms("zram0"), "lzo [lzo-rle] lz4 \n").unwrap();
        fs::write(algorithms("zram12"), "[lzo] lzo-rle zstd \n").unwrap();
        for File { path, contents } in files() {
            fs::write(tree.0.join(Path::new(path).file_name().unwrap()), contents).unwrap();
        }
        tree
    }

    fn typed(&self, text: &str) -> String {
        text.replace("ROOT", self.0.to_str().unwrap())
    }

    /// What `shell` prints when it runs `script` with these arguments; `None` without that shell.
    fn run(&self, shell: &str, script: &str, args: &[&str]) -> Option<String> {
        let mut command = Command::new(shell);
        match shell {
            "fish" => command.args(["--no-config", "-c", script, "--"]),
            _ => command.args(["-c", script, shell]),
        };
        command.args(args).current_dir(&self.0);
        command.env("TRUENO_ZRAM_ROOT", &self.0).env("HOME", self.0.join("home"));
        command.env("LC_ALL", "C.UTF-8").env("TERM", "dumb").stdin(Stdio::null());
        let output = match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skip(&format!("there is no {shell}"));
                return None;
            }
            output => output.unwrap(),
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{shell} {args:?}: {errors}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// Compares with [`CASES`]; `offered` is how one shell finds out.
    fn check(&self, mut offered: impl FnMut(&str) -> Vec<String>) {
        for (typed, expected, refused) in CASES {
            let offered = offered(&self.typed(typed));
            let tail = |offer: &String| offer.rsplit(['=', ',', '+']).next().unwrap().to_owned();
            let offered: BTreeSet<_> = offered.iter().map(tail).collect();
            let offers = |word: &&&str| {
                let word = self.typed(word);
                // Of a path zsh tells the last part only.
                let last = Path::new(&word).strip_prefix(&self.0).ok().and_then(Path::to_str);
                let forms = [Some(word.as_str()), last].into_iter().flatten();
                forms
                    .flat_map(|form| [form.to_owned(), format!("{form}/")])
                    .any(|form| offered.contains(&form))
            };
            let missing: Vec<_> = expected.iter().filter(|word| !offers(word)).collect();
            let surplus: Vec<_> = refused.iter().filter(offers).collect();
            assert!(
                missing.is_empty() && surplus.is_empty(),
                "{typed:?}: {missing:?} missing, {surplus:?} wrong in {offered:?}"
            );
            assert!(!expected.is_empty() || offered.is_empty(), "{typed:?}: {offered:?}");
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// As bash calls the function: `$1` is the package bash-completion or empty, the rest the words.
const BASH: &str = r#"
    set -u
    [[ -z $1 ]] || { set +u; source "$1"; set -u; }
    source ./trueno-zramctl.bash
    shift
    COMP_WORDS=(trueno-zramctl "$@") COMP_CWORD=$#
    read -r _ _ function _ < <(complete -p trueno-zramctl)
    "$function" trueno-zramctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    (( ${#COMPREPLY[@]} == 0 )) || printf '%s\n' "${COMPREPLY[@]}"
"#;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The words as bash splits them: at blanks and, mostly, at equals signs.
fn bash_words(typed: &str, breaks_at_equals: bool) -> Vec<&str> {
    let mut words = Vec::new();
    for word in typed.split(' ') {
        match word.split_once('=').filter(|_| breaks_at_equals) {
            Some((before, "")) => words.extend([before, "="]),
            Some((before, after)) => words.extend([before, "=", after]),
            None => words.push(word),
        }
    }
    words
}

#[test]
fn bash_offers_what_it_should() {
    let tree = Tree::new("bash");
    if tree.run("bash", "", &[]).is_none() {
        return;
    }
    let package = "/usr/share/bash-completion/bash_completion";
    let packages =
        ["", package].into_iter().filter(|path| path.is_empty() || fs::exists(path).unwrap());
    for package in packages {
        for breaks_at_equals in [true, false] {
            tree.check(|typed| {
                let words = bash_words(typed, breaks_at_equals);
                lines(&tree.run("bash", BASH, &[&[package], &words[..]].concat()).unwrap())
            });
        }
    }
}

#[test]
fn bash_replaces_the_whole_word() {
    let tree = Tree::new("bash-words");
    if tree.run("bash", "", &[]).is_none() {
        return;
    }
    for (words, reply) in [
        (&["-o", "+name,ki"][..], "+name,KIND"),
        (&["-bozer"], "-boZERO-PAGES"),
        (&["--output=KI"], "--output=KIND"),
        (&["--output", "=", "KI"], "KIND"),
        (&["--swap="], ""),
    ] {
        let offered = tree.run("bash", BASH, &[&[""], words].concat()).unwrap();
        assert_eq!(offered.trim_end(), reply, "{words:?}");
    }
}

#[test]
fn fish_offers_what_it_should() {
    let tree = Tree::new("fish");
    let script = "source ./trueno-zramctl.fish; complete -C \"trueno-zramctl $argv\"";
    if tree.run("fish", script, &["--al"]).is_none() {
        return;
    }
    tree.check(|typed| {
        let offered = tree.run("fish", script, &[typed]).unwrap();
        lines(&offered).iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    });
}

/// zsh completes at a prompt only, so one is started on a terminal of its own, and every match is
/// also written to a file.
const ZSH: &str = r#"
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'source ./prompt.zsh'
    for line; do
        zpty -n -w shell "trueno-zramctl $line"$'\t\C-g'
    done
    zpty -w shell exit
    while zpty -r shell output; do :; done
    cat ./matches
"#;

const ZSH_PROMPT: &str = r#"
    fpath=( $PWD $fpath )
    autoload -Uz compinit
    compinit -D -u
    setopt no_auto_list no_list_beep
    zstyle ':completion:*' insert-tab false
    bindkey '^I' complete-word
    compadd() {
        if [[ ${@[1,(i)(-|--)]} != *-[OAD]\ * ]]; then
            local -a __matches
            builtin compadd -A __matches "$@"
            (( $#__matches == 0 )) || print -rl -- $__matches >>./matches
        fi
        builtin compadd "$@"
    }
    next-line() {
        print -r -- '========' >>./matches
        BUFFER=
    }
    zle -N next-line
    bindkey '^G' next-line
"#;

#[test]
fn zsh_offers_what_it_should() {
    let tree = Tree::new("zsh");
    fs::write(tree.0.join("prompt.zsh"), ZSH_PROMPT).unwrap();
    let typed: Vec<_> = CASES.iter().map(|(typed, ..)| tree.typed(typed)).collect();
    let typed: Vec<_> = typed.iter().map(String::as_str).collect();
    let Some(output) = tree.run("zsh", ZSH, &typed) else { return };
    let answers: Vec<_> = output.split_terminator("========\n").map(lines).collect();
    assert_eq!(answers.len(), CASES.len(), "{output}");
    let mut answers = answers.into_iter();
    tree.check(|_| answers.next().unwrap());
}
