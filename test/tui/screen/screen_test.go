package screen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func begin(t *testing.T, o Options, program ...string) *Screen {
	t.Helper()
	if o.Width == 0 {
		o.Width, o.Height = 60, 12
	}
	o.Env = append(os.Environ(), "LESS=", "LC_ALL=C.UTF-8")
	s, err := Start(o, program...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func has(text string) func(string) bool {
	return func(screen string) bool { return strings.Contains(screen, text) }
}

// A pager shows a file, goes to its end, knows its new size, and leaves the terminal as it was.
func TestLess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	var lines strings.Builder
	for i := range 500 {
		lines.WriteString("line " + strings.Repeat("x", i%50) + "\n")
	}
	check(t, os.WriteFile(path, []byte("first line\n"+lines.String()+"last line 日本語\n"), 0o600))
	s := begin(t, Options{}, "less", path)
	check(t, s.Wait("first line", has("first line")), s.Keys("G"), s.Wait("last line", has("last line 日本語")))
	// less forgets a key that comes while it is told of a size: what it draws for that is waited for, the last line and room below it.
	check(t, s.Resize(100, 40), s.Wait("room", has("last line 日本語\n~\n")), s.Keys("g"), s.Wait("40 lines", func(text string) bool {
		return strings.Contains(text, "first line") && strings.Count(text, "line") > 35
	}))
	if w, h, err := s.Size(); w != 100 || h != 40 || err != nil {
		t.Errorf("the size is %d×%d (%v)", w, h, err)
	}
	if s.Ended() {
		t.Error("it has ended")
	}
	check(t, s.Keys("q"))
	if code, err := s.Exit(); code != 0 || err != nil {
		t.Errorf("exit code %d (%v)", code, err)
	}
	check(t, s.WaitSane())
}

// What a program leaves behind is noticed.
func TestSane(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		s := begin(t, Options{}, "sh", "-c", script+"; exit 3")
		if code, err := s.Exit(); code != 3 || err != nil {
			t.Errorf("%s: exit code %d (%v)", script, code, err)
		}
		// What the program wrote last may still be on its way to the screen.
		var err error
		s.Wait("", func(string) bool {
			err = s.Sane()
			return err != nil && strings.Contains(err.Error(), want) || want == "" && err == nil
		})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
	f(`true`, "")
	f(`stty raw -echo`, "stty")
	f(`printf '\033[?1049h'`, "alternate_on=1")
	f(`printf '\033[?25l'`, "cursor_flag=0")
	f(`printf '\033[?1003h\033[?1006h'`, "mouse_any_flag=1")
	f(`printf '\033[2;5r'`, "scroll=1,4")
}

// Keys with names and texts arrive as they are; a paste comes in brackets when it was asked for, its newlines as Enter.
func TestKeys(t *testing.T) {
	s := begin(t, Options{}, "sh", "-c", `stty raw -echo; printf '\033[?2004hready\r\n'; exec dd bs=1 count=41 2>/dev/null | od -An -c -w16`)
	check(t, s.Wait("ready", has("ready")))
	check(t, s.Keys("a b;", "Enter", "C-c", "Up", "Escape", "M-b"), s.Type("Enter"), s.Paste("x\ny"), s.Type("0123456789"))
	check(t, s.Wait("keys", func(text string) bool {
		text = strings.Join(strings.Fields(text), " ")
		return strings.Contains(text, `a b ; \r 003 033 [ A 033 033 b E n t e r 033 [ 2 0 0 ~ x \r y 033 [ 2 0 1 ~`)
	}))
}

// What programs copy is in the clipboard where the terminal takes it.
func TestClipboard(t *testing.T) {
	s := begin(t, Options{Clipboard: true}, "sh", "-c", `printf '\033]52;c;Y29waWVk\a'; printf '\033]2;a title\a'; echo done`)
	check(t, s.Wait("clipboard", func(string) bool {
		got, err := s.Clipboard()
		return err == nil && got == "copied"
	}))
	check(t, s.Wait("title", func(string) bool {
		got, err := s.Title()
		return err == nil && got == "a title"
	}))
}
