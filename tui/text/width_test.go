package text

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// TestMain lets the test's own program be what runs in a terminal: it shows the lines of a file there and writes down at which
// column the terminal says the cursor is after each.
func TestMain(m *testing.M) {
	if file := os.Getenv("TEXT_SHOW"); file != "" {
		if err := show(file); err != nil {
			os.WriteFile(file+".error", []byte(err.Error()), 0o600)
		}
		os.Exit(0)
	}
	if os.Getenv("TEXT_DRAW") != "" {
		if _, err := tea.NewProgram(frames(0)).Run(); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func show(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return err
	}
	if _, err := term.MakeRaw(0); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	columns := make([]int, len(lines))
	for i, line := range lines {
		fmt.Printf("\r\x1b[2K%s\x1b[6n", line)
		answer, err := in.ReadString('R')
		if err != nil {
			return err
		}
		var row int
		if _, err := fmt.Sscanf(answer, "\x1b[%d;%dR", &row, &columns[i]); err != nil {
			return fmt.Errorf("%q after %q: %w", answer, line, err)
		}
		columns[i]--
	}
	data, err = json.Marshal(columns)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".part", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".part", file+".done")
}

// columns asks tmux how wide lines are; each must be short enough for its screen.
func columns(t *testing.T, lines []string) []int {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "lines")
	data, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tmux := terminal(t, "TEXT_SHOW="+file)
	if out, err := tmux("new-session", "-d", "-x", "250", "-y", "5", program).CombinedOutput(); err != nil {
		t.Fatalf("cannot start tmux: %v: %s", err, out)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file + ".error"); err == nil {
			t.Fatalf("cannot show lines: %s", text)
		}
		if data, err := os.ReadFile(file + ".done"); err == nil {
			var columns []int
			if err := json.Unmarshal(data, &columns); err != nil || len(columns) != len(lines) {
				t.Fatalf("%d of %d columns, %v", len(columns), len(lines), err)
			}
			return columns
		}
		if time.Now().After(end) {
			t.Fatal("no columns within a minute")
		}
	}
}

// terminal returns what runs tmux, with a server of the test's own that ends with it.
func terminal(t *testing.T, env string) func(args ...string) *exec.Cmd {
	socket := filepath.Join(t.TempDir(), "socket")
	tmux := func(args ...string) *exec.Cmd {
		c := exec.Command("tmux", append([]string{"-u", "-f", "/dev/null", "-S", socket}, args...)...)
		c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", env)
		return c
	}
	t.Cleanup(func() { tmux("kill-server").Run() })
	return tmux
}

// frames is a program that draws hard texts with a bar behind them, and at each key one line further down.
type frames int

const bar = 60 // the column of the bar

func (f frames) Init() tea.Cmd { return nil }

func (f frames) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if _, ok := msg.(tea.KeyPressMsg); ok {
		f++
	}
	return f, nil
}

func (f frames) View() tea.View {
	lines := []string{fmt.Sprintf("frame %d", f)}
	for i := range hard {
		line := strings.ReplaceAll(Clean(hard[(i+int(f))%len(hard)]), "\n", "")
		lines = append(lines, Pad(line, bar)+"│"+Pad(Slice(line, 3, 9), 9)+"│")
	}
	view := tea.NewView(strings.Join(lines, "\n"))
	view.AltScreen = true
	return view
}

// What the renderer writes when lines change must leave everything in its column.
func TestRendererInTerminal(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tmux := terminal(t, "TEXT_DRAW=1")
	if out, err := tmux("new-session", "-d", "-x", "100", "-y", fmt.Sprint(len(hard)+2), program).CombinedOutput(); err != nil {
		t.Fatalf("cannot start tmux: %v: %s", err, out)
	}
	for frame := range 12 {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			out, err := tmux("capture-pane", "-p").Output()
			if err != nil {
				t.Fatal(err)
			}
			wrong := misplaced(string(out), frame)
			if wrong == "" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("frame %d: %s", frame, wrong)
			}
		}
		if err := tmux("send-keys", "n").Run(); err != nil {
			t.Fatal(err)
		}
	}
}

// misplaced is what is wrong with a frame on the screen.
func misplaced(screen string, frame int) string {
	lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
	if strings.TrimSpace(lines[0]) != fmt.Sprintf("frame %d", frame) || len(lines) != len(hard)+1 {
		return fmt.Sprintf("%d lines, the first %q", len(lines), lines[0])
	}
	for i, line := range lines[1:] {
		if got := Width(line); got != bar+11 || !strings.HasSuffix(line, "│") || Slice(line, bar, 1) != "│" {
			return fmt.Sprintf("%q (%q) is %d cells wide", line, hard[(i+frame)%len(hard)], got)
		}
	}
	return ""
}

// kept are all characters that Clean keeps as they are, each behind an x.
func kept() (all []string) {
	for r := rune(0xa0); r <= utf8.MaxRune; r++ {
		if s := "x" + string(r); utf8.ValidRune(r) && Clean(s) == s {
			all = append(all, s)
		}
	}
	return all
}

func TestWidthOfAllCharacters(t *testing.T) {
	all := kept()
	if len(all) < 140000 {
		t.Fatalf("only %d characters are kept", len(all))
	}
	var lines []string
	for line := range slices.Chunk(all, 40) {
		lines = append(lines, strings.Join(line, ""))
	}
	var suspects []string
	for i, n := range columns(t, lines) {
		if n != Width(lines[i]) {
			suspects = append(suspects, all[i*40:min(i*40+40, len(all))]...)
		}
	}
	for i, n := range columns(t, suspects) {
		if s := suspects[i]; n != Width(s) {
			t.Errorf("%q (%U) has width %d, in tmux %d", s, []rune(s), Width(s), n)
		}
	}
	for _, s := range all {
		agree(t, s)
	}
}

// agree checks that the renderer measures a line as Width does, in both of its ways.
func agree(t *testing.T, s string) {
	t.Helper()
	if got, want := Width(s), ansi.StringWidthWc(s); got != want {
		t.Errorf("%q (%U) has width %d, for the renderer %d", s, []rune(s), got, want)
	}
	Clusters(true)
	defer Clusters(false)
	if got, want := Width(s), ansi.StringWidth(s); got != want {
		t.Errorf("%q (%U) has width %d in clusters, for the renderer %d", s, []rune(s), got, want)
	}
}

// hard are texts that terminals and programs are known to measure differently.
var hard = []string{
	"plain", "日本語のログ", "ｶﾞ ﾊﾟ", "한국어 각", "👨‍👩‍👧‍👦 family", "👩🏽‍💻 at work", "❤️ ☀️ ⌚️ 1️⃣ #️⃣", "🇩🇪🇫🇷 🇩", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "e\u0301 n\u0303o",
	"\u0301first", "a\n\u0301b", "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334algo", "नमस्ते का की", "ไทยกำลัง ลาว ກຳ", "தமிழ் ക്ഷ", "עברית \u05e9\u05c1", "العربية مرحبا",
	"می\u200cخواهم", "क्\u200dष", "\u202egnp.exe", "a\u2066b\u2069c", "\u200bzero", "\ufeffbom", "soft\u00adhyphen", "\tx\ty", "\x1b[31mred\x1b[0m", "\x1b]0;title\a", "\u009b31m",
	"\xff\xfe\xc3", "a\r\nb\rc", "\u2028\u2029\u0085", "\u3164\u115f\u1160", "葛\U000e0100飾", "\ue0b0", "\U0001fae8 ☰", "≥…│█▁░", "ﷺ ꧅ 𒐫", "\u0600\u0661", "½ ① ㊙ Ａ", "🤦🏼‍♂️",
	"a\u0e33\u0e33\u0e33", "x\ufe0e\ufe0f\ufe01", "👍\U0001f3fd\U0001f3fd", "\U0001f3fd", "⁉️", "©️®️™️", "a\u20dd", "가\u11a8", "ᄀ", "각ᆨ",
}

func TestWidthInTerminal(t *testing.T) {
	var lines []string
	for _, s := range hard {
		lines = append(lines, strings.Split(Clean(s), "\n")...)
	}
	// What is hard alone may be harder beside something else.
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var s strings.Builder
		for range 1 + random.IntN(4) {
			runes := []rune(hard[random.IntN(len(hard))])
			from := random.IntN(len(runes))
			s.WriteString(string(runes[from : from+1+random.IntN(min(len(runes)-from, 4))]))
		}
		lines = append(lines, strings.Split(Clean(s.String()), "\n")...)
	}
	for i, n := range columns(t, lines) {
		if n != Width(lines[i]) {
			t.Errorf("%q (%U) has width %d, in tmux %d", lines[i], []rune(lines[i]), Width(lines[i]), n)
		}
		agree(t, lines[i])
	}
}
