package curator

// The log, in the formats of Elastic Curator: what reads its log files reads these. What a cluster
// or a file puts into a message is somebody else's text, so nothing that a terminal would obey, and
// no line break, leaves here as it came.

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf16"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
)

// levelCritical is above slog's own levels: the program cannot go on.
const levelCritical slog.Level = 12

// levels are Curator's names and numbers of levels, the lowest first.
var levels = []struct {
	name   string
	number string
	level  slog.Level
}{
	{"NOTSET", "0", slog.LevelDebug - 1},
	{"DEBUG", "10", slog.LevelDebug},
	{"INFO", "20", slog.LevelInfo},
	{"WARNING", "30", slog.LevelWarn},
	{"ERROR", "40", slog.LevelError},
	{"CRITICAL", "50", levelCritical},
}

func parseLevel(text string) (slog.Level, error) {
	if text == "" {
		return slog.LevelInfo, nil
	}
	for _, l := range levels {
		if strings.EqualFold(text, l.name) || text == l.number {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("unknown loglevel %q: want DEBUG, INFO, WARNING, ERROR or CRITICAL", text)
}

func levelName(level slog.Level) string {
	name := "DEBUG"
	for _, l := range levels[1:] {
		if level >= l.level {
			name = l.name
		}
	}
	return name
}

// newLogger returns the log that cfg describes. Without a file, messages up to INFO go to stdout and
// the others to stderr. A file is appended to, and opened anew when SIGHUP says that it was rotated.
// The function returned ends the log.
//
// From then on nobody has to read the standard streams: work goes on when what they lead to is gone.
func newLogger(cfg action.Logging, stdout, stderr io.Writer) (*slog.Logger, func() error, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, nil, err
	}
	h := &handler{level: level, hidden: cfg.Blacklist, to: &sink{stdout: stdout, stderr: stderr}}
	switch strings.ToLower(cfg.Format) {
	case "", "default":
		h.format = plainLine
		if level <= slog.LevelDebug {
			h.format = debugLine
		}
	case "json", "logstash":
		h.format = jsonLine
	case "ecs":
		h.format = ecsLine
	default:
		return nil, nil, fmt.Errorf("unknown logformat %q: want default, json, logstash or ecs", cfg.Format)
	}
	signal.Ignore(syscall.SIGPIPE)
	stop := func() error { return nil }
	if cfg.File != "" {
		if stop, err = h.to.open(cfg.File); err != nil {
			return nil, nil, err
		}
	}
	return slog.New(h), stop, nil
}

// A sink is where lines go. Its file is nil if they go to the two streams.
type sink struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	file           *os.File
}

func (s *sink) write(level slog.Level, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.stdout
	switch {
	case s.file != nil:
		w = s.file
	case level >= slog.LevelWarn:
		w = s.stderr
	}
	_, err := w.Write(line)
	return err
}

// open has lines go to the file, and follows it through rotations until stop is called.
func (s *sink) open(name string) (stop func() error, err error) {
	if s.file, err = appendTo(name); err != nil {
		return nil, err
	}
	hup, done, ended := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-hup:
				s.reopen(name)
			}
		}
	}()
	return sync.OnceValue(func() error {
		signal.Stop(hup)
		close(done)
		<-ended
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.file.Close()
	}), nil
}

// reopen keeps the old file if there is no new one: a line there is better than none.
func (s *sink) reopen(name string) {
	file, err := appendTo(name)
	if err != nil {
		fmt.Fprintln(s.stderr, "curator:", cli.Printable(err.Error()))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file.Close()
	s.file = file
}

func appendTo(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log file: %w", err)
	}
	return file, nil
}

// A handler writes a record in one of the formats.
type handler struct {
	level  slog.Level
	format func(line) []byte
	hidden []string // names of loggers that say nothing, with those below them
	to     *sink
	prefix string // of the names of attributes
	attrs  []attr
}

type attr struct{ name, value string }

// A line is what the formats print.
type line struct {
	time                 time.Time
	level                slog.Level
	message              string
	logger, file, method string // where it was logged: "curator.cluster", "apply.go", "Apply"
	number               int    // the line there
	attrs                []attr
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	l := line{time: r.Time, level: r.Level, message: r.Message, attrs: h.attrs}
	l.where(r.PC)
	for _, name := range h.hidden {
		if l.logger == name || strings.HasPrefix(l.logger, name+".") {
			return nil
		}
	}
	l.attrs = l.attrs[:len(l.attrs):len(l.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		l.attrs = flatten(l.attrs, h.prefix, a)
		return true
	})
	return h.to.write(r.Level, append(h.format(l), '\n'))
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, h.prefix, a)
	}
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

// flatten appends a, and the members of a group with their full names.
func flatten(to []attr, prefix string, a slog.Attr) []attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() != slog.KindGroup {
		if a.Key == "" {
			return to
		}
		return append(to, attr{prefix + a.Key, a.Value.String()})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, member := range a.Value.Group() {
		to = flatten(to, prefix, member)
	}
	return to
}

// where takes "github.com/podbeat/podbeat/curator/cluster.(*Cluster).Apply.func1" apart.
func (l *line) where(pc uintptr) {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	slash := strings.LastIndexByte(frame.Function, '/') + 1
	pkg, method, _ := strings.Cut(frame.Function[slash:], ".")
	name := strings.TrimPrefix(frame.Function[:slash]+pkg, "github.com/podbeat/podbeat/")
	if _, after, ok := strings.Cut(method, ")."); ok {
		method = after
	}
	l.logger, l.method = strings.ReplaceAll(name, "/", "."), method
	l.file, l.number = path.Base(frame.File), frame.Line
}

func plainLine(l line) []byte {
	return fmt.Appendf(nil, "%s %-9s %s", l.localTime(), levelName(l.level), l.text())
}

func debugLine(l line) []byte {
	return fmt.Appendf(nil, "%s %-9s %30s %23s:%-4d %s", l.localTime(), levelName(l.level), l.logger, l.method, l.number, l.text())
}

func (l line) localTime() string { return l.time.Local().Format("2006-01-02 15:04:05,000") }

func (l line) utcTime() string { return l.time.UTC().Format("2006-01-02T15:04:05.000Z") }

// text is the message with its attributes.
func (l line) text() string {
	var b strings.Builder
	b.WriteString(cli.Printable(l.message))
	for _, a := range l.attrs {
		value := cli.Printable(a.value)
		if value == "" || strings.ContainsAny(value, " =\"") {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, " %s=%s", cli.Printable(a.name), value)
	}
	return b.String()
}

func jsonLine(l line) []byte {
	return fmt.Appendf(nil, `{"@timestamp": "%s", "function": %s, %s"linenum": %d, "loglevel": "%s", "message": %s, "name": %s}`,
		l.utcTime(), quote(l.method), l.labels(`"labels": {`, `: `, `, `, `}, `), l.number, levelName(l.level), quote(l.message), quote(l.logger))
}

// ecsLine prints the fields of ECS 1.6 that Curator does, but for the threads.
func ecsLine(l line) []byte {
	message := quote(l.message)
	return fmt.Appendf(nil, `{"@timestamp":"%s","log.level":"%s","message":%s,"ecs.version":"1.6.0",%s`+
		`"log":{"logger":%s,"origin":{"file":{"line":%d,"name":%s},"function":%s},"original":%s},"process":{"name":"curator","pid":%d}}`,
		l.utcTime(), strings.ToLower(levelName(l.level)), message, l.labels(`"labels":{`, `:`, `,`, `},`),
		quote(l.logger), l.number, quote(l.file), quote(l.method), message, os.Getpid())
}

// labels are the attributes as a member of an object; "" if there are none.
func (l line) labels(begin, colon, comma, end string) string {
	if len(l.attrs) == 0 {
		return ""
	}
	var members []string
	for _, a := range l.attrs {
		members = append(members, quote(a.name)+colon+quote(a.value))
	}
	return begin + strings.Join(members, comma) + end
}

// quote returns s as a JSON string of printable ASCII, as Python writes it.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= '\b' && r <= '\r' && r != '\v':
			b = append(b, '\\', "btn_fr"[r-'\b'])
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return string(append(b, '"'))
}
