package curator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
)

// hostile is what a cluster may have in a name or a message, and what must not reach a terminal.
const hostile = "w\u00e9\x1b[31m\n\x00\x7f\u2028\u202e\xff x <a&b> \U0001F600 [\"k\"]\\"

// TestFormats has lines as Elastic Curator 8.0.21 writes them: what it left as it was is escaped in the
// first two, and the third has no threads.
func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 21, 7, 57, 5, 37e6, time.Local)
	f := func(format func(line) []byte, level slog.Level, message string, attrs []attr, want string) {
		t.Helper()
		l := line{time: at, level: level, message: message, logger: "curator.cli", file: "cli.go", method: "run", number: 8, attrs: attrs}
		want = strings.ReplaceAll(want, "UTC", at.UTC().Format("2006-01-02T15:04:05.000"))
		want = strings.ReplaceAll(want, "PID", fmt.Sprint(os.Getpid()))
		got := string(format(l))
		if got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q has %q", got, got[i])
		}
		if strings.HasPrefix(want, "{") && !json.Valid([]byte(got)) {
			t.Errorf("no JSON: %s", got)
		}
	}
	const text = `Preparing Action ID: 1, "delete_indices"`
	two := []attr{{"index", "a b"}, {"n", "1"}}
	f(plainLine, slog.LevelInfo, text, nil, `2026-11-21 07:57:05,037 INFO      `+text)
	f(plainLine, levelCritical, "x", two, `2026-11-21 07:57:05,037 CRITICAL  x index="a b" n=1`)
	f(plainLine, slog.LevelWarn, hostile, nil,
		`2026-11-21 07:57:05,037 WARNING   wé\x1b[31m\n\x00\x7f\u2028\u202e\xff x <a&b> 😀 ["k"]\`)
	f(debugLine, slog.LevelInfo, text, nil,
		`2026-11-21 07:57:05,037 INFO                         curator.cli                     run:8    `+text)
	f(jsonLine, slog.LevelInfo, text, nil,
		`{"@timestamp": "UTCZ", "function": "run", "linenum": 8, "loglevel": "INFO", "message": "Preparing Action ID: 1, \"delete_indices\"", "name": "curator.cli"}`)
	f(jsonLine, slog.LevelError, "x", two,
		`{"@timestamp": "UTCZ", "function": "run", "labels": {"index": "a b", "n": "1"}, "linenum": 8, "loglevel": "ERROR", "message": "x", "name": "curator.cli"}`)
	f(jsonLine, slog.LevelWarn, hostile, nil,
		`{"@timestamp": "UTCZ", "function": "run", "linenum": 8, "loglevel": "WARNING", "message": "w\u00e9\u001b[31m\n\u0000\u007f\u2028\u202e\ufffd x <a&b> \ud83d\ude00 [\"k\"]\\", "name": "curator.cli"}`)
	f(ecsLine, slog.LevelDebug, "\b\t\v\f\r", two[1:],
		`{"@timestamp":"UTCZ","log.level":"debug","message":"\b\t\u000b\f\r","ecs.version":"1.6.0","labels":{"n":"1"},`+
			`"log":{"logger":"curator.cli","origin":{"file":{"line":8,"name":"cli.go"},"function":"run"},"original":"\b\t\u000b\f\r"},`+
			`"process":{"name":"curator","pid":PID}}`)
}

// TestLevels says what is logged at which level, and where it goes.
func TestLevels(t *testing.T) {
	f := func(level, wantOut, wantErr string) {
		t.Helper()
		var out, errs bytes.Buffer
		log, _, err := newLogger(action.Logging{Level: level}, &out, &errs)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, levelCritical} {
			log.Log(context.Background(), l, "x")
		}
		names := regexp.MustCompile(`(?m)^\S+ \S+ (\S+).*\n`)
		if got := names.ReplaceAllString(out.String(), "$1 "); got != wantOut {
			t.Errorf("%s: standard output has %q, want %q", level, got, wantOut)
		}
		if got := names.ReplaceAllString(errs.String(), "$1 "); got != wantErr {
			t.Errorf("%s: standard error has %q, want %q", level, got, wantErr)
		}
	}
	f("debug", "DEBUG INFO ", "WARNING ERROR CRITICAL ")
	f("NOTSET", "DEBUG INFO ", "WARNING ERROR CRITICAL ")
	f("", "INFO ", "WARNING ERROR CRITICAL ")
	f("20", "INFO ", "WARNING ERROR CRITICAL ")
	f("Warning", "", "WARNING ERROR CRITICAL ")
	f("ERROR", "", "ERROR CRITICAL ")
	f("CRITICAL", "", "CRITICAL ")
}

func TestLoggingRefused(t *testing.T) {
	f := func(cfg action.Logging, want string) {
		t.Helper()
		if _, _, err := newLogger(cfg, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", cfg, err, want)
		}
	}
	f(action.Logging{Level: "LOUD"}, `unknown loglevel "LOUD": want DEBUG, INFO`)
	f(action.Logging{Format: "xml"}, `unknown logformat "xml": want default, json`)
	f(action.Logging{File: filepath.Join(t.TempDir(), "no", "log")}, "cannot open the log file")
}

// TestWhereLogged: the log says in which package, file and function a message was logged.
func TestWhereLogged(t *testing.T) {
	var out bytes.Buffer
	log, _, err := newLogger(action.Logging{Format: "logstash"}, &out, &out)
	if err != nil {
		t.Fatal(err)
	}
	_, _, number, _ := runtime.Caller(0)
	log.With("a", 1).WithGroup("g").Info("x", "b", "c", slog.Group("d", "e", true))
	for _, want := range []string{
		`"function": "TestWhereLogged"`, `"name": "curator"`, fmt.Sprintf(`"linenum": %d`, number+1),
		`"labels": {"a": "1", "g.b": "c", "g.d.e": "true"}`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s has no %s", out.String(), want)
		}
	}
}

// TestBlacklist: a logger that is named says nothing, nor do those below it.
func TestBlacklist(t *testing.T) {
	f := func(name string, want bool) {
		t.Helper()
		var out bytes.Buffer
		log, _, err := newLogger(action.Logging{Blacklist: []string{"urllib3", name}}, &out, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("x")
		if got := out.Len() > 0; got != want {
			t.Errorf("%s: logged %v, want %v", name, got, want)
		}
	}
	f("curator", false)
	f("cur", true)
	f("curator.cluster", true)
}

// TestLogFile: all goes to the file, after what stands there, and nothing to the streams.
func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "curator.log")
	if err := os.WriteFile(name, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log, end, err := newLogger(action.Logging{File: name}, &out, &out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("one")
	log.Error("two")
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^before\n.* INFO      one\n.* ERROR     two\n$`).Match(text) || out.Len() > 0 {
		t.Errorf("the file has %q, the streams %q", text, out.String())
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, s string) {
		text := cli.Printable(s)
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q: %q is left", s, text[i:])
		}
		if cli.Printable(text) != text {
			t.Errorf("%q is not stable", text)
		}
		var back string
		if err := json.Unmarshal([]byte(quote(s)), &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") && strings.ToValidUTF8(s, "") == s {
			t.Errorf("%q: %s is read as %q, %v", s, quote(s), back, err)
		}
	})
}
