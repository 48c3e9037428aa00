package lines

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common/match"

	"github.com/podbeat/podbeat/option"
)

// Options are the settings of text, shared by the inputs on files. Their names are filestream's.
type Options struct {
	// How the files' characters are written: `plain` and `utf-8` (bytes that are no UTF-8 become U+FFFD), `utf-16-bom`, `utf-16le-bom`,
	// `utf-16be-bom`, `latin1`, `gbk`, `big5`, `shift-jis`, … as filestream has them.
	Encoding string `config:"encoding" default:"plain"`
	// Longest message; the rest is cut off and the event gets the flag `truncated`.
	MaxLineBytes option.Bytes `config:"max_line_bytes" alias:"message_max_bytes" default:"1MiB"`
	// How long a last line without its newline must have stayed as it is to be sent, with the flag `partial`;
	// what is written behind it later is a message of its own. `0` waits for the newline, or for the file's end.
	PartialTimeout time.Duration `config:"partial_timeout"`
	// Send only messages that match one of these regular expressions.
	IncludeLines []match.Matcher `config:"include_lines"`
	// Leave out messages that match one of these regular expressions.
	ExcludeLines []match.Matcher `config:"exclude_lines"`
	// Join lines to messages.
	Multiline *Multiline `config:"multiline"`
	// Read messages as JSON objects: a section, or `true` for its defaults. A message that is none stays as it is. Keys that Elasticsearch
	// would refuse by the Elastic Common Schema (`host: x`, `event.duration: x`), and what podbeat alone says, are in the text `log.unmapped`.
	NDJSON *NDJSON `config:"ndjson"`
	// filestream's list of the same: `- container: …`, `- multiline: …`, `- ndjson: …`, in this order.
	Parsers []Parser `config:"parsers"`
	// Take `log.level` from the message. Without it a container's line has the level that docker gives its output in the journal: `info` or `err`.
	Level Level `config:"level"`
	// Take the event's time from the message.
	Timestamp Timestamp `config:"timestamp"`
}

// Multiline says which lines are one message. Lines of a container's two outputs are never joined.
type Multiline struct {
	// What joins lines: `pattern` (see `match`), `indent` (lines that begin with a blank or a tab belong to what is before them),
	// `count` (so many lines each) or `while_pattern` (lines that match in a row).
	Type string `config:"type" default:"pattern"`
	// The regular expression.
	Pattern *match.Matcher `config:"pattern"`
	// Take the lines that do not match for those that do.
	Negate bool `config:"negate"`
	// Where matching lines belong: `after` (to the line before them) or `before` (to the one behind them).
	Match string `config:"match"`
	// A line that matches this regular expression ends its message.
	FlushPattern *match.Matcher `config:"flush_pattern"`
	// Most lines of a message; further ones are left out of it.
	MaxLines int `config:"max_lines" default:"500"`
	// How long to wait for a message's next line; `0` waits until it comes.
	Timeout time.Duration `config:"timeout" default:"5s"`
	// Lines of a message, with `type: count`.
	CountLines int `config:"count_lines"`
	// Join the lines without newlines between them.
	SkipNewline bool `config:"skip_newline"`
}

// NDJSON says what becomes of messages that are JSON objects.
type NDJSON struct {
	// Put the keys under this name; empty means the event's root.
	Target string `config:"target"`
	// Put the keys at the event's root, which is done without it too if there is no `target`.
	KeysUnderRoot bool `config:"keys_under_root"`
	// Take the event's time from `@timestamp` and let keys replace fields that the event has. What podbeat itself says is never replaced.
	OverwriteKeys bool `config:"overwrite_keys"`
	// Read dots in keys as levels: `{"a.b": 1}` as `{"a": {"b": 1}}`.
	ExpandKeys bool `config:"expand_keys"`
	// Write `error.message` and `error.type: json` when a message cannot be read.
	AddErrorKey bool `config:"add_error_key"`
	// The key with the message's text.
	MessageKey string `config:"message_key"`
	// The key with the event's id; it is taken out. Whoever writes the lines can then make others' events look as if they were delivered.
	DocumentID string `config:"document_id"`
	// Do not count messages that are no JSON as errors.
	IgnoreDecodingError bool `config:"ignore_decoding_error"`
	// Most levels of a message, dots in keys counted; a deeper one is not read as JSON.
	MaxDepth int `config:"max_depth" default:"20"`
	// Most keys of a message, on all levels; one with more is not read as JSON.
	MaxKeys int `config:"max_keys" default:"1000"`
}

// A Level says where a message's level stands.
type Level struct {
	// Where the level stands: `message`, or a key of the JSON object such as `level` or `log.level`. Empty leaves `log.level` alone.
	From string `config:"from"`
	// Regular expression whose first group is the level, searched in the message's first 256 bytes. Without it, it is a level's name in
	// capitals (`ERROR`), or what is behind `level=`.
	Pattern *Regexp `config:"pattern"`
	// Levels by further names, such as `{"50": err}`. Usual ones are known, and written as the journal's: emerg, alert, crit, err, warning,
	// notice, info, debug; also trace.
	Names map[string]string `config:"names"`
}

// A Timestamp says where a message's time stands.
type Timestamp struct {
	// Where the time stands: `message`, or a key of the JSON object such as `time`. Empty takes none.
	From string `config:"from"`
	// Regular expression whose first group is the time, searched in the message's first 256 bytes. Without it, the message begins with it.
	Pattern *Regexp `config:"pattern"`
	// How the time is written, in Go's form (`2006-01-02 15:04:05`, a fraction is understood), or `UNIX`, `UNIX_MS`, `UNIX_US`, `UNIX_NS`;
	// the first that fits is taken. Without it: ISO 8601, with a blank or a T in it.
	Layouts []string `config:"layouts"`
	// Time zone of times that do not name theirs: `Local`, `UTC` or a name such as `Europe/Berlin`.
	Timezone Zone `config:"timezone" default:"Local"`
	// Times that are longer ago, or more than a day in the future, are not taken, nor from `@timestamp`: else whoever writes lines could fill days of his choice.
	MaxAge time.Duration `config:"max_age" default:"8760h"`
}

// A Regexp is a regular expression that is wanted for its groups.
type Regexp struct{ *regexp.Regexp }

// Unpack compiles the expression. It is go-ucfg's hook.
func (r *Regexp) Unpack(s string) (err error) {
	if r.Regexp, err = regexp.Compile(s); err != nil {
		return fmt.Errorf("cannot use regular expression %q: %w", s, err)
	}
	return nil
}

// A Zone is a time zone.
type Zone struct{ *time.Location }

// Unpack looks the zone up by its name. It is go-ucfg's hook.
func (z *Zone) Unpack(s string) (err error) {
	if z.Location, err = time.LoadLocation(s); err != nil {
		return fmt.Errorf("cannot use timezone %q: want Local, UTC or a name such as Europe/Berlin: %w", s, err)
	}
	return nil
}

// A Parser is one element of filestream's list.
type Parser struct {
	Multiline *Multiline
	NDJSON    *NDJSON
	Container bool
	Stream    string // of containers: all, stdout or stderr
}

// Unpack reads a section with the parser's name over its options. It is go-ucfg's hook.
func (p *Parser) Unpack(v any) error {
	m, _ := v.(map[string]any)
	if len(m) != 1 {
		return fmt.Errorf("cannot read parser from %v: want one of multiline, ndjson, container, with its options below it", v)
	}
	for name, v := range m {
		if v == nil {
			v = map[string]any{}
		}
		switch name {
		case "multiline":
			p.Multiline = new(Multiline)
			return p.Multiline.Unpack(v)
		case "ndjson":
			p.NDJSON = new(NDJSON)
			return p.NDJSON.Unpack(v)
		case "container":
			p.Container = true
			var o struct {
				Stream string `config:"stream" default:"all"`
				Format string `config:"format" default:"auto"`
			}
			if err := section(v, &o, "container"); err != nil {
				return err
			}
			p.Stream = o.Stream
			return errors.Join(oneOf("container.stream", o.Stream, "all", "stdout", "stderr"), oneOf("container.format", o.Format, "auto", "cri", "docker", "json-file"))
		default:
			return fmt.Errorf("unknown parser %q: want multiline, ndjson or container", name)
		}
	}
	return nil
}

// Unpack reads a section of options. It is go-ucfg's hook.
func (m *Multiline) Unpack(v any) error {
	type bare Multiline
	if err := section(v, (*bare)(m), "multiline"); err != nil {
		return err
	}
	switch m.Type {
	case "pattern":
		if m.Pattern == nil {
			return errors.New("multiline needs a pattern, or another type")
		}
		if m.Match != "after" && m.Match != "before" {
			return fmt.Errorf("cannot use multiline.match %q: want after or before", m.Match)
		}
	case "while_pattern":
		if m.Pattern == nil {
			return errors.New("multiline needs a pattern, or another type")
		}
	case "count":
		if m.CountLines <= 0 {
			return errors.New("multiline with type: count needs count_lines")
		}
		if given := v.(map[string]any); given["max_lines"] == nil {
			m.MaxLines = m.CountLines
		}
	}
	if m.MaxLines <= 0 || m.Timeout < 0 || m.CountLines < 0 {
		return errors.New("cannot use multiline: max_lines must be more than 0, timeout and count_lines not less")
	}
	return oneOf("multiline.type", m.Type, "pattern", "indent", "count", "while_pattern")
}

// Unpack reads a section of options, or true for an empty one. It is go-ucfg's hook.
func (n *NDJSON) Unpack(v any) error {
	if v == true {
		v = map[string]any{}
	}
	type bare NDJSON
	if err := section(v, (*bare)(n), "ndjson"); err != nil {
		return err
	}
	if n.KeysUnderRoot && n.Target != "" {
		return errors.New("cannot use both ndjson.keys_under_root and ndjson.target: the first means an empty target")
	}
	if n.MaxDepth <= 0 || n.MaxKeys <= 0 {
		return errors.New("cannot use ndjson: max_depth and max_keys must be more than 0")
	}
	if n.Target != "" && (!goodName(n.Target) || strings.Contains(n.Target, ".") || known[n.Target] != free) {
		return fmt.Errorf("cannot use ndjson.target %q: want a name without dots that is not used otherwise, such as json", n.Target)
	}
	return nil
}

func section(v, to any, what string) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("option %q is a section, not %v", what, v)
	}
	return option.Unpack(option.From(m), to, what)
}

// Validate says which option has a value that means nothing. It is called by option.Unpack.
func (o *Options) Validate() error {
	if _, err := newCodec(o.Encoding); err != nil {
		return err
	}
	multi, json := o.Multiline != nil, o.NDJSON != nil
	for i, p := range o.Parsers {
		switch {
		case p.Container && i > 0:
			return errors.New("cannot read containers' lines from what other parsers made: put container first in parsers")
		case p.Multiline != nil && multi:
			return errors.New("multiline is given twice")
		case p.NDJSON != nil && json:
			return errors.New("ndjson is given twice")
		case p.Multiline != nil && slices.ContainsFunc(o.Parsers[:i], func(p Parser) bool { return p.NDJSON != nil }):
			return errors.New("cannot join lines that were read as JSON: put multiline before ndjson in parsers")
		}
		multi, json = multi || p.Multiline != nil, json || p.NDJSON != nil
	}
	if o.MaxLineBytes < 16 || o.MaxLineBytes > 1<<30 {
		return fmt.Errorf("cannot use max_line_bytes %v: want 16 to 1GiB", o.MaxLineBytes)
	}
	if o.PartialTimeout < 0 || o.Timestamp.MaxAge < 0 {
		return errors.New("cannot use a duration below 0")
	}
	for _, from := range []string{o.Level.From, o.Timestamp.From} {
		if from != "" && from != "message" && !json {
			return fmt.Errorf("cannot take anything from key %q: messages are not read as JSON, want `ndjson` too, or `from: message`", from)
		}
	}
	return nil
}

// parts returns what is asked for, wherever it stands: of containers, the lane whose lines are taken, 0 for all.
func (o *Options) parts() (multi *Multiline, json *NDJSON, container bool, only int) {
	multi, json = o.Multiline, o.NDJSON
	for _, p := range o.Parsers {
		if p.Container {
			container, only = true, max(0, slices.Index(streams[:], p.Stream))
		}
		if p.Multiline != nil {
			multi = p.Multiline
		}
		if p.NDJSON != nil {
			json = p.NDJSON
		}
	}
	return multi, json, container, only
}

func oneOf(option, got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("cannot use %s %q: want one of %s", option, got, strings.Join(want, ", "))
}
