package find

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/logp"
)

func newFinder(t testing.TB, o Options) *Finder {
	t.Helper()
	f, err := New(logp.NewLogger("find"), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseGlob(t *testing.T) {
	f := func(glob string, recursive bool, want string) {
		t.Helper()
		prefix, p, err := parseGlob(glob, recursive)
		if err != nil {
			t.Errorf("%s: %v", glob, err)
			return
		}
		if have := prefix + " " + strings.Join(p.segments, " "); have != want {
			t.Errorf("%s (recursive: %v) is %q, not %q", glob, recursive, have, want)
		}
	}
	f("/var/log/app.log", false, "/var/log app.log")
	f("/var/log/*.log", false, "/var/log *.log")
	f("/var//log/./*.log", false, "/var/log *.log")
	f("/var/*/log/a.log", false, "/var * log a.log")
	f("/v[ao]r/log/a.log", false, "/ v[ao]r log a.log")
	f("/*.log", false, "/ *.log")
	f("/a", false, "/ a")
	f("/a/**", false, "/a ** *")
	f("/a/**/**/x", false, "/a ** x")
	f("/**", false, "/ ** *")
	f("/a/*/b/*.log", true, "/a * b ** *.log")
	f("/a/**/*.log", true, "/a ** *.log")
	f("/a/b.log", true, "/a ** b.log")
	f("/*.log", true, "/ ** *.log")
}

func TestBadOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := New(logp.NewLogger("find"), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, not %s", o, err, want)
		}
	}
	glob := func(glob, want string) { t.Helper(); f(Options{Globs: []string{"/ok/*", glob}}, want) }
	f(Options{}, "name at least one")
	f(Options{Globs: []string{"/a/*"}, LinkRoots: []string{"a"}}, `links into "a"`)
	glob("", "must begin with /")
	glob("a/*.log", "must begin with /")
	glob("/a/", "type /a/*")
	glob("/", "names a directory")
	glob("/.", "names a directory")
	glob("/a/../b", "..")
	glob("/a/[x", "is no pattern")
	glob("/a/[x/b]", "is no pattern")
	glob(`/a/x\`, "is no pattern")
	glob("/a/x\x00", "NUL")
}

func TestWanted(t *testing.T) {
	f := func(o Options, path string, want bool) {
		t.Helper()
		have := false
		finder := newFinder(t, o)
		for _, r := range finder.roots {
			if rel, ok := inside(r.prefix, path); ok && finder.wantedBelow(r, rel) {
				have = true
			}
		}
		if have != want {
			t.Errorf("%q in %+v: %v", path, o, have)
		}
	}
	deep := func(n int) string { return "/a" + strings.Repeat("/d", n) + "/x.log" }
	plain := Options{Globs: []string{"/p/*/v/applog-*/*.log"}}
	f(plain, "/p/1/v/applog-x/a.log", true)
	f(plain, "/p/1/v/applog-x/.log", true)
	f(plain, "/p/1/v/applog-x/b/a.log", false)
	f(plain, "/p/1/v/other/a.log", false)
	f(plain, "/p/1/v/applog-x", false)
	f(plain, "/p/1/2/v/applog-x/a.log", false)
	f(plain, "/p/../p/1/v/applog-x/a.log", false)
	f(plain, "/p/../v/applog-x/a.log", false)
	f(plain, "/p/./v/applog-x/a.log", false)
	f(plain, "/p//v/applog-x/a.log", false)
	f(plain, "/p/1/v/applog-x/a.log/", false)
	f(plain, "/p/1/v/applog-x/a.log.1", false)
	f(plain, "p/1/v/applog-x/a.log", false)
	f(plain, "/q/1/v/applog-x/a.log", false)
	f(plain, "", false)

	recursive := plain
	recursive.Recursive = true
	f(recursive, "/p/1/v/applog-x/a.log", true)
	f(recursive, "/p/1/v/applog-x/b/c/a.log", true)
	f(recursive, "/p/1/v/other/b/a.log", false)
	f(recursive, "/p/1/v/a.log", false)

	any := Options{Globs: []string{"/a/**/*.log"}}
	f(any, deep(0), true)
	f(any, deep(1), true)
	f(any, deep(16), true)
	f(any, deep(17), false)
	f(any, "/b/x.log", false)
	middle := Options{Globs: []string{"/a/**/v/*/**/x?.log"}}
	f(middle, "/a/v/1/x1.log", true)
	f(middle, "/a/b/v/1/x1.log", true)
	f(middle, "/a/b/v/v/v/v/c/xx.log", true)
	f(middle, "/a/v/x1.log", false)
	f(middle, "/a/b/1/x1.log", false)
	f(Options{Globs: []string{"/**"}}, "/a/b", true)
	f(Options{Globs: []string{"/*"}}, "/a", true)
	f(Options{Globs: []string{"/a/[^x]*"}}, "/a/x", false)
	f(Options{Globs: []string{"/a/[^x]*"}}, "/a/y\n\xff", true)
	f(Options{Globs: []string{"/a/*.log", "/a/*/*.txt"}}, "/a/b/c.txt", true)
	f(Options{Globs: []string{"/a/*.log", "/a/*/*.txt"}}, "/a/b/c.log", false)
	f(Options{Globs: []string{"/a/b/*.log", "/a/*/*.log"}}, "/a/b/c.log", true)

	exclude := Options{Globs: []string{"/a/*/*.log"}, Rotated: true, Exclude: []*regexp.Regexp{regexp.MustCompile(`debug\.log$`), regexp.MustCompile(`^/a/x/`), regexp.MustCompile(`\.gz$`)}}
	f(exclude, "/a/b/c.log", true)
	f(exclude, "/a/b/debug.log", false)
	f(exclude, "/a/b/debug.log.1", false)
	f(exclude, "/a/x/c.log", false)
	f(exclude, "/a/b/c.log.1", true)
	f(exclude, "/a/b/c.log.1.gz", false)
}

func TestRotated(t *testing.T) {
	finder := newFinder(t, Options{Globs: []string{"/a/*.log", "/a/*.csv"}, Rotated: true})
	f := func(name string, wantOK, wantRotated bool) {
		t.Helper()
		ok, rotated := finder.match(finder.roots[0].states, "/a", name)
		if ok != wantOK || rotated != wantRotated {
			t.Errorf("%q: looked for %v, rotated %v", name, ok, rotated)
		}
	}
	for _, name := range []string{"app.log", "app-2026-11-21.log", "app.1.log", ".log", "a.csv", "app.log.1.log"} {
		f(name, true, false)
	}
	for _, name := range []string{
		"app.log.1", "app.log.12", "app.log-20261121", "app.log_1", "app.log.2.gz", "app.log.20060102-150405",
		"app.log.20060102-150405.gz", "app.log.2026-11-21T10:00:00.123", "app.log.2026-11-21_10-00-00.1",
		"app.log.gz", "app.log.old", "app.log-prev", "app.log.bak.gz", "app.log_save", "a.csv.1", "app.log.1.2",
	} {
		f(name, true, true)
	}
	for _, name := range []string{
		"app.log.tmp", "app.log.swp", "app.log~", "app.log.", "app.log-", "app.log.x1", "app.logold", "app.log1", "app.txt.1",
		"app.log.1.tmp", "app.log.gz.tmp", "app.log.1.bz2", "log.1", ".1", "1", "", ".gz", "old", ".old", "app.log..1x",
		"app.log." + strings.Repeat("1.", 100) + "1",
	} {
		f(name, false, false)
	}
	finder.o.Rotated = false
	f("app.log.1", false, false)
	f("app.log", true, false)
}

// A path without ** is looked for when path.Match says that it matches.
func FuzzGlob(f *testing.F) {
	f.Add("/a/*/[b-d]?/*.log", "/a/x/cc/y.log", false)
	f.Add("/a/**/x*", "/a/b/c/x", true)
	f.Add(`/\*/**`, "/*/../x", false)
	f.Add("/*", "/app.log.1.1.1.gz", true)
	f.Fuzz(func(t *testing.T, glob, name string, recursive bool) {
		finder, err := New(logp.NewLogger("find"), Options{Globs: []string{glob}, Recursive: recursive, Rotated: recursive})
		if err != nil {
			return
		}
		r := finder.roots[0]
		rel, ok := inside(r.prefix, name)
		have := ok && finder.wantedBelow(r, rel)
		if have && (filepath.Clean(name) != name || !strings.HasPrefix(name, "/")) {
			t.Errorf("%q is looked for by %q", name, glob)
		}
		if strings.Contains(glob, anyDepth) || recursive || name == "/" || filepath.Clean(name) != name {
			return
		}
		if want, _ := path.Match(filepath.Clean(glob), name); want != have && !strings.Contains(glob, `\/`) {
			t.Errorf("%q matches %q: %v", glob, name, have)
		}
	})
}
