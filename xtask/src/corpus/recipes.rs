//! The table of processes whose memory is worth having: each another kind of data.
//!
//! All programs are packages of Debian 12, and what they work on is in `workloads/` or part of the
//! distribution. A script runs in an empty directory that has the recipe's files.

/// How a recipe shows that its memory is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// It prints `corpus: ready`.
    Says,
    /// Its memory stops growing: for programs that cannot be told to print something.
    Settled,
}

/// What a sample is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tables of codecs are trained on it.
    Train,
    /// No decision is made by looking at it: it shows what a codec does to memory it has not seen.
    HeldOut,
}

impl Purpose {
    /// Where samples for it lie.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) purpose: Purpose,
    /// A file that must exist, and the package it comes from.
    pub(crate) needs: &'static [(&'static str, &'static str)],
    /// Workloads by name.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What `sh -e` runs.
    pub(crate) script: &'static str,
    pub(crate) ready: Ready,
    /// Prints the version of the program.
    pub(crate) version: &'static str,
}

macro_rules! workloads {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("workloads/", $name)))),*]
    };
}

use Purpose::{HeldOut, Train};
use Ready::{Says, Settled};

pub(crate) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "chromium",
        what: "web browser: a page with scripts, styles and pictures, all its processes",
        purpose: Train,
        needs: &[("/usr/bin/chromium", "chromium")],
        files: workloads!("page.html"),
        script: "exec chromium --headless --no-sandbox --disable-gpu --disable-quic \
                 --no-first-run --disable-background-networking --disable-component-update \
                 --disable-sync --disable-breakpad --window-size=1280,2000 \
                 --user-data-dir=$HOME/profile --remote-debugging-port=0 file://$PWD/page.html",
        ready: Settled,
        version: "chromium --version 2> /dev/null",
    },
    Recipe {
        name: "firefox",
        what: "web browser of another family, 64-bit values with tags in the high bits",
        purpose: HeldOut,
        needs: &[("/usr/bin/firefox-esr", "firefox-esr")],
        files: workloads!("page.html"),
        script: "exec firefox-esr --headless --no-remote --profile $HOME file://$PWD/page.html",
        ready: Settled,
        version: "firefox-esr --version",
    },
    Recipe {
        name: "libreoffice",
        what: "office suite: a text document of some thousand paragraphs",
        purpose: Train,
        needs: &[("/usr/bin/soffice", "libreoffice-writer"), ("/usr/bin/Xvfb", "xvfb")],
        files: &[],
        script: "cat /usr/share/common-licenses/* > licenses.txt; \
                 Xvfb :87 -screen 0 1280x1024x24 -nolisten tcp & sleep 2; \
                 DISPLAY=:87 exec soffice --norestore --nologo --writer licenses.txt",
        ready: Settled,
        version: "soffice --version",
    },
    Recipe {
        name: "gimp",
        what: "graphics program in a window, with tiles of two layers, and its X server",
        purpose: Train,
        needs: &[("/usr/bin/gimp", "gimp"), ("/usr/bin/Xvfb", "xvfb")],
        files: workloads!("picture.scm"),
        script: "Xvfb :88 -screen 0 1280x1024x24 -nolisten tcp & sleep 2; \
                 DISPLAY=:88 exec gimp --new-instance --no-splash -b '(load \"picture.scm\")'",
        ready: Settled,
        version: "gimp --version",
    },
    Recipe {
        name: "ffmpeg",
        what: "video encoder: decoded pictures, reference frames, coefficients",
        purpose: Train,
        needs: &[("/usr/bin/ffmpeg", "ffmpeg")],
        files: &[],
        script: "exec ffmpeg -nostdin -loglevel error -re \
                 -f lavfi -i mandelbrot=size=640x480:rate=10 -f lavfi -i sine \
                 -c:v libx264 -preset medium -c:a aac -t 3600 -f null -",
        ready: Settled,
        version: "ffmpeg -version",
    },
    Recipe {
        name: "node-server",
        what: "JavaScript: the heap of a web server, with buffers and typed arrays",
        purpose: Train,
        needs: &[("/usr/bin/node", "nodejs")],
        files: workloads!("server.js"),
        script: "exec node server.js",
        ready: Says,
        version: "node --version",
    },
    Recipe {
        name: "java-g1",
        what: "Java, compressed references, G1 collector",
        purpose: Train,
        needs: &[("/usr/bin/javac", "openjdk-17-jdk-headless")],
        files: workloads!("Heap.java"),
        script: "exec java -XX:+UseG1GC Heap.java",
        ready: Says,
        version: "java -version",
    },
    Recipe {
        name: "java-wide",
        what: "Java, 64-bit references, parallel collector, a heap larger than needed",
        purpose: Train,
        needs: &[("/usr/bin/javac", "openjdk-17-jdk-headless")],
        files: workloads!("Heap.java"),
        script: "exec java -XX:+UseParallelGC -XX:-UseCompressedOops -Xms512m Heap.java",
        ready: Says,
        version: "java -version",
    },
    Recipe {
        name: "python-objects",
        what: "Python: objects, dictionaries, tuples, text",
        purpose: Train,
        needs: &[("/usr/bin/python3", "python3")],
        files: workloads!("objects.py"),
        script: "exec python3 objects.py",
        ready: Says,
        version: "python3 --version",
    },
    Recipe {
        name: "pypy",
        what: "Python compiled at run time, with a moving collector",
        purpose: Train,
        needs: &[("/usr/bin/pypy3", "pypy3")],
        files: workloads!("objects.py"),
        script: "exec pypy3 objects.py",
        ready: Says,
        version: "pypy3 --version",
    },
    Recipe {
        name: "numpy",
        what: "arrays of floats and integers, pictures, tables of a data scientist",
        purpose: Train,
        needs: &[
            ("/usr/lib/python3/dist-packages/pandas", "python3-pandas"),
            ("/usr/lib/python3/dist-packages/scipy", "python3-scipy"),
        ],
        files: workloads!("arrays.py"),
        script: "exec python3 arrays.py",
        ready: Says,
        version: "python3 -c 'import numpy; print(\"numpy\", numpy.__version__)'",
    },
    Recipe {
        name: "r",
        what: "statistics: data frames, factors, a linear model",
        purpose: Train,
        needs: &[("/usr/bin/Rscript", "r-base-core")],
        files: workloads!("analysis.R"),
        script: "exec Rscript --vanilla analysis.R",
        ready: Says,
        version: "Rscript --version",
    },
    Recipe {
        name: "octave",
        what: "numeric: matrices of doubles, cells, structures",
        purpose: HeldOut,
        needs: &[("/usr/bin/octave-cli", "octave")],
        files: workloads!("matrices.m"),
        script: "exec octave-cli --no-init-file --no-history matrices.m",
        ready: Says,
        version: "octave-cli --version",
    },
    Recipe {
        name: "postgres",
        what: "database server: shared buffers with tables and indexes, one connection at work",
        purpose: Train,
        needs: &[("/usr/lib/postgresql/15/bin/postgres", "postgresql-15")],
        files: workloads!("tables.sql"),
        script: "PATH=/usr/lib/postgresql/15/bin:$PATH; as=; \
                 if [ \"$(id -u)\" = 0 ]; then \
                     chown -R 65534:65534 .; \
                     as='setpriv --reuid=65534 --regid=65534 --clear-groups'; \
                 fi; \
                 $as initdb -D data -U shop -A trust --no-sync; \
                 $as postgres -D data -k $PWD -c listen_addresses= & \
                 until pg_isready -q -h $PWD; do sleep 0.2; done; \
                 (cat tables.sql; sleep 3600) | $as psql -h $PWD -U shop -q postgres",
        ready: Says,
        version: "/usr/lib/postgresql/15/bin/postgres --version",
    },
    Recipe {
        name: "sqlite",
        what: "database in memory, 32-bit program: B-tree pages of tables and indexes",
        purpose: Train,
        needs: &[("/usr/bin/sqlite3", "sqlite3:i386")],
        files: workloads!("tables.sql"),
        script: "(cat tables.sql; sleep 3600) | sqlite3 :memory:",
        ready: Says,
        version: "sqlite3 --version",
    },
    Recipe {
        name: "redis",
        what: "key-value store: strings, hashes, sorted sets, streams",
        purpose: Train,
        needs: &[("/usr/bin/redis-server", "redis-server")],
        files: &[],
        script: "redis-server --port 0 --unixsocket $PWD/s --save '' > server.log & \
                 until redis-cli -s s ping > ping.log; do sleep 0.2; done; \
                 awk 'BEGIN { for (i = 1; i <= 40000; i++) { \
                     print \"SET user:\" i \":name \\\"name \" i * 7919 % 10007 \"\\\"\"; \
                     print \"HSET session:\" i % 3000, \"field\" i % 12, i * 3; \
                     print \"ZADD scores\", i / 7, \"player\" i; \
                     print \"RPUSH queue:\" i % 50 \" job-\" i; \
                     if (i % 4 == 0) print \"XADD log * level info event \" i } }' \
                 | redis-cli -s s > answers; \
                 echo corpus: ready; wait",
        ready: Says,
        version: "redis-server --version",
    },
    Recipe {
        name: "gcc",
        what: "C compiler: declarations, trees, statements of three hundred functions",
        purpose: Train,
        needs: &[("/usr/bin/gcc", "gcc")],
        files: workloads!("unit.c"),
        script: "mkfifo never; exec 9<>never; exec gcc -O2 -S unit.c",
        ready: Settled,
        version: "gcc --version",
    },
    Recipe {
        name: "clang",
        what: "C++ compiler: the syntax tree of the standard library, templates",
        purpose: Train,
        needs: &[("/usr/bin/clang++", "clang")],
        files: workloads!("unit.cpp"),
        script: "mkfifo never; exec 9<>never; exec clang++ -std=c++17 -O1 -S unit.cpp",
        ready: Settled,
        version: "clang++ --version",
    },
    Recipe {
        name: "structs",
        what: "native program in C++: structures of floats, trees, meshes, a texture",
        purpose: Train,
        needs: &[("/usr/bin/g++", "g++")],
        files: workloads!("structs.cpp"),
        script: "g++ -std=c++17 -O2 structs.cpp -o structs; exec ./structs",
        ready: Says,
        version: "g++ --version",
    },
    Recipe {
        name: "structs-32",
        what: "the same compiled for 32-bit processors",
        purpose: Train,
        needs: &[("/usr/lib/gcc/x86_64-linux-gnu/12/32", "g++-12-multilib")],
        files: workloads!("structs.cpp"),
        // The directory is that of asm/, which only gcc-multilib, no friend of cross compilers, links.
        script: "g++ -m32 -isystem /usr/include/x86_64-linux-gnu -std=c++17 -O2 structs.cpp \
                 -o structs; exec ./structs",
        ready: Says,
        version: "g++ --version",
    },
    Recipe {
        name: "lua-32",
        what: "32-bit interpreter: tables, closures, strings of a game script",
        purpose: Train,
        needs: &[("/usr/bin/lua5.4", "lua5.4:i386")],
        files: workloads!("tables.lua"),
        script: "mkfifo never; exec 9<>never; exec lua5.4 tables.lua < never",
        ready: Says,
        version: "lua5.4 -v",
    },
    Recipe {
        name: "luajit",
        what: "compiled at run time: values packed into the bits of floats",
        purpose: Train,
        needs: &[("/usr/bin/luajit", "luajit")],
        files: workloads!("tables.lua"),
        script: "mkfifo never; exec 9<>never; exec luajit tables.lua < never",
        ready: Says,
        version: "luajit -v",
    },
    Recipe {
        name: "tcl-32",
        what: "32-bit interpreter: lists, dictionaries, strings, an index of words",
        purpose: HeldOut,
        needs: &[("/usr/bin/tclsh8.6", "tcl8.6:i386")],
        files: workloads!("index.tcl"),
        script: "exec tclsh8.6 index.tcl",
        ready: Says,
        version: "echo 'puts \"Tcl [info patchlevel]\"' | tclsh8.6",
    },
    Recipe {
        name: "php",
        what: "PHP: associative arrays, objects, an index of words",
        purpose: Train,
        needs: &[("/usr/bin/php8.2", "php8.2-cli")],
        files: workloads!("objects.php"),
        script: "exec php8.2 -n objects.php",
        ready: Says,
        version: "php8.2 --version",
    },
    Recipe {
        name: "ruby",
        what: "Ruby: objects, hashes, symbols, an index of words",
        purpose: Train,
        needs: &[("/usr/bin/ruby", "ruby")],
        files: workloads!("objects.rb"),
        script: "exec ruby objects.rb",
        ready: Says,
        version: "ruby --version",
    },
    Recipe {
        name: "perl",
        what: "Perl: text lines and hashes of hashes",
        purpose: Train,
        needs: &[("/usr/bin/perl", "perl")],
        files: workloads!("index.pl"),
        script: "exec perl index.pl",
        ready: Says,
        version: "perl --version",
    },
    Recipe {
        name: "guile",
        what: "Scheme: pairs, symbols, closures, big numbers",
        purpose: Train,
        needs: &[("/usr/bin/guile", "guile-3.0")],
        files: workloads!("lists.scm"),
        script: "exec guile --no-auto-compile -q lists.scm",
        ready: Says,
        version: "guile --version",
    },
    Recipe {
        name: "go",
        what: "Go: maps of structures, interfaces, goroutine stacks",
        purpose: Train,
        needs: &[("/usr/bin/go", "golang-go")],
        files: workloads!("heap.go"),
        script: "go build heap.go; exec ./heap",
        ready: Says,
        version: "go version",
    },
    Recipe {
        name: "erlang",
        what: "Erlang: many small heaps, tagged words, binaries",
        purpose: Train,
        needs: &[("/usr/bin/escript", "erlang-base")],
        files: workloads!("processes.erl"),
        script: "erlc processes.erl; \
                 exec erl -noshell -noinput -eval 'processes:main([])'",
        ready: Says,
        version: "erl -noshell -eval 'io:format(\"OTP ~s\", [erlang:system_info(otp_release)]), halt().'",
    },
    Recipe {
        name: "haskell",
        what: "Haskell: persistent maps, thunks, lists of characters",
        purpose: Train,
        needs: &[("/usr/bin/ghc", "ghc")],
        files: workloads!("Trees.hs"),
        script: "ghc -O1 Trees.hs; exec ./Trees",
        ready: Says,
        version: "ghc --version",
    },
    Recipe {
        name: "ocaml",
        what: "OCaml: variants, records, maps, float arrays",
        purpose: Train,
        needs: &[("/usr/bin/ocamlopt", "ocaml-nox")],
        files: workloads!("trees.ml"),
        script: "ocamlopt unix.cmxa trees.ml -o trees; exec ./trees",
        ready: Says,
        version: "ocamlopt -version",
    },
    Recipe {
        name: "mono",
        what: "C# on the .NET of Mono: objects, 16-bit strings, boxed numbers",
        purpose: Train,
        needs: &[
            ("/usr/bin/mcs", "mono-mcs"),
            ("/usr/bin/mono", "mono-runtime"),
            ("/usr/lib/mono/gac/System.Core", "libmono-system-core4.0-cil"),
        ],
        files: workloads!("Objects.cs"),
        script: "mcs -r:System.Core Objects.cs; exec mono Objects.exe",
        ready: Says,
        version: "mono --version",
    },
    Recipe {
        name: "lisp",
        what: "Common Lisp: conses, structures, typed arrays, compiled functions",
        purpose: Train,
        needs: &[("/usr/bin/sbcl", "sbcl")],
        files: workloads!("conses.lisp"),
        script: "exec sbcl --no-sysinit --no-userinit --load conses.lisp",
        ready: Says,
        version: "sbcl --version",
    },
    Recipe {
        name: "guest",
        what: "the memory of a virtual machine: kernel, file cache, some programs",
        purpose: Train,
        needs: &[
            ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
            ("/usr/share/doc/linux-image-amd64", "linux-image-amd64"),
            ("/usr/bin/cpio", "cpio"),
            ("/usr/share/perl/5.36", "perl-modules-5.36"),
            ("/bin/busybox", "busybox-static"),
        ],
        files: workloads!("guest-init.sh"),
        script: "mkdir -p root/texts; cp /bin/busybox root/; cp guest-init.sh root/init; \
                 cp /usr/share/common-licenses/* /usr/share/perl/5.36/*.pm root/texts; \
                 chmod +x root/init; (cd root; find . | cpio -o -H newc -R 0:0) > initrd; \
                 exec qemu-system-x86_64 -nodefaults -display none -m 256 \
                 -accel tcg,tb-size=16 -serial stdio -no-reboot \
                 -kernel $(ls -v /boot/vmlinuz-*-amd64 | tail -n 1) -initrd initrd \
                 -append 'console=ttyS0 quiet'",
        ready: Says,
        version: "qemu-system-x86_64 --version",
    },
    Recipe {
        name: "daemons",
        what: "many small processes: web server, message bus, shells, pagers, agents",
        purpose: Train,
        needs: &[
            ("/usr/sbin/nginx", "nginx-light"),
            ("/usr/bin/dbus-daemon", "dbus-daemon"),
            ("/usr/share/bash-completion", "bash-completion"),
            ("/usr/bin/vim.basic", "vim"),
            ("/usr/bin/less", "less"),
            ("/usr/bin/gawk", "gawk"),
            ("/usr/bin/ssh-agent", "openssh-client"),
        ],
        files: workloads!("daemons.sh"),
        script: "exec bash daemons.sh",
        ready: Says,
        version: "nginx -v",
    },
    Recipe {
        name: "inkscape",
        what: "drawing program in a window: a document tree of shapes, and its X server",
        purpose: Train,
        needs: &[("/usr/bin/inkscape", "inkscape"), ("/usr/bin/Xvfb", "xvfb")],
        files: workloads!("drawing.sh"),
        script: "exec sh drawing.sh",
        ready: Settled,
        version: "inkscape --version",
    },
    Recipe {
        name: "featherpad",
        what: "Qt program in a window: a text editor with highlighted source code",
        purpose: HeldOut,
        needs: &[("/usr/bin/featherpad", "featherpad"), ("/usr/bin/Xvfb", "xvfb")],
        files: &[],
        script: "Xvfb :86 -screen 0 1280x1024x24 -nolisten tcp & sleep 2; \
                 DISPLAY=:86 exec featherpad --standalone /usr/include/[a-m]*.h",
        ready: Settled,
        version: "featherpad --version",
    },
    Recipe {
        name: "prolog",
        what: "Prolog: terms, atoms, a database of clauses with its index",
        purpose: HeldOut,
        needs: &[("/usr/bin/swipl", "swi-prolog-nox")],
        files: workloads!("facts.pl"),
        script: "exec swipl -q -g main facts.pl",
        ready: Says,
        version: "swipl --version",
    },
    Recipe {
        name: "emacs",
        what: "editor: buffers of source code with text properties, Lisp libraries",
        purpose: Train,
        needs: &[("/usr/bin/emacs", "emacs-nox")],
        files: workloads!("edit.el"),
        script: "exec emacs --batch --quick --load edit.el",
        ready: Says,
        version: "emacs --version",
    },
    Recipe {
        name: "text",
        what: "manual pages in the memory of an editor",
        purpose: HeldOut,
        needs: &[("/usr/bin/vim.basic", "vim")],
        files: &[],
        script: "zcat /usr/share/man/man1/[a-f]*.gz > manual; \
                 exec vim.basic -u NONE -N -n -es manual -c 'global/^/' \
                 -c 'verbose echo \"corpus: ready\"' -c 'sleep 3600'",
        ready: Says,
        version: "vim.basic --version",
    },
];
