package lines

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
)

// streams are the outputs that a container has, by the lane of their lines. Lane 0 is for lines that
// do not say theirs.
var streams = [...]string{"", "stdout", "stderr"}

// streamLevels are the levels that docker gives the two outputs in the journal.
var streamLevels = map[string]string{"stdout": "info", "stderr": "err"}

// part takes a line of a container's file.
func (r *Reader) part(m *Message) {
	var lane int
	var last bool
	if len(m.Text) > 0 && m.Text[0] == '{' {
		lane, last = r.docker(m)
	} else {
		lane, last = cri(m)
	}
	switch {
	case lane == 0:
		m.Flags |= Unparsed
		r.Counters.Unparsed++
	case r.only != 0 && lane != r.only:
		r.Counters.Excluded++
		return
	}
	m.Stream = streams[lane]
	r.join(m, &r.lanes[lane], last)
}

// cri reads a line as the container runtime interface has it: `2024-05-17T12:00:00.123456789Z stdout F text`.
// Behind P (part) or F (full) there may be further tags, after colons.
func cri(m *Message) (lane int, last bool) {
	when, rest, ok := bytes.Cut(m.Text, blank)
	if !ok {
		return 0, true
	}
	switch {
	case bytes.HasPrefix(rest, stdout):
		lane = 1
	case bytes.HasPrefix(rest, stderr):
		lane = 2
	default:
		return 0, true
	}
	rest = rest[len(stdout):]
	tags, text, _ := bytes.Cut(rest, blank)
	if len(tags) == 0 || tags[0] != 'P' && tags[0] != 'F' || len(tags) > 1 && tags[1] != ':' {
		return 0, true
	}
	if m.Time, ok = parseTime(when); !ok {
		return 0, true
	}
	m.Text = text
	return lane, tags[0] == 'F'
}

var (
	blank  = []byte(" ")
	stdout = []byte("stdout ")
	stderr = []byte("stderr ")
)

// docker reads a line of docker's json-file driver: `{"log":"text\n","stream":"stdout","time":"2024-…"}`.
// A text without its newline has been split.
func (r *Reader) docker(m *Message) (lane int, last bool) {
	p := &r.docks
	p.begin(m.Text)
	var log, when []byte
	var attrs *attrs
	err := p.members(func(key []byte) (err error) {
		name := string(key)
		if p.blank() != '"' {
			from := p.at
			var v any
			if name == "attrs" && r.attrs != nil && p.again(r.attrs.raw) {
				attrs = r.attrs
				return nil
			}
			if v, err = p.value(); name == "attrs" && err == nil {
				attrs = attrsOf(p.in[from:p.at], v)
				r.attrs = attrs
			}
			return err
		}
		text, err := p.text()
		switch name {
		case "log":
			log = text
		case "time":
			when = text
		case "stream":
			lane = max(0, slices.Index(streams[:], string(text)))
		}
		return err
	})
	t, ok := parseTime(when)
	if err != nil || !ok || log == nil || lane == 0 || p.blank() != 0 {
		return 0, true
	}
	m.Text, m.Time, m.attrs = log, t, attrs
	if m.Text, last = bytes.CutSuffix(log, newline); last {
		m.Text = bytes.TrimSuffix(m.Text, carriage)
	}
	return lane, last
}

var (
	newline  = []byte("\n")
	carriage = []byte("\r")
)

// attrs are what docker writes of a container into each of its lines: labels and variables that the
// configuration of docker names. They are the same all over a file.
type attrs struct {
	raw    []byte
	fields common.MapStr
}

// again skips the value raw, if it stands here.
func (p *parser) again(raw []byte) bool {
	if !bytes.HasPrefix(p.in[p.at:], raw) {
		return false
	}
	p.at += len(raw)
	return true
}

// attrsOf returns docker's attrs as they are written, nil for what is none. Their names have no dots, for a label
// may be called as another one's beginning.
func attrsOf(raw []byte, v any) *attrs {
	m, ok := v.(common.MapStr)
	if !ok {
		return nil
	}
	a := &attrs{bytes.Clone(raw), common.MapStr{}}
	for name, v := range m {
		if s, ok := v.(string); ok && len(name) <= maxName {
			a.fields[strings.ReplaceAll(name, ".", "_")] = s
		}
	}
	return a
}

// parseTime is time.Parse with time.RFC3339Nano for years from 1 to 9999, in UTC.
func parseTime(s []byte) (t time.Time, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return t, false
	}
	ok = true
	num := func(b []byte, high int) int {
		n := 0
		for _, c := range b {
			if c -= '0'; c > 9 {
				ok = false
			}
			n = 10*n + int(c)
		}
		ok = ok && n <= high
		return n
	}
	year, month, day := num(s[:4], 9999), num(s[5:7], 12), num(s[8:10], 31)
	hour, minute, second := num(s[11:13], 23), num(s[14:16], 59), num(s[17:19], 59)
	s = s[19:]
	nano := 0
	if s[0] == '.' {
		digits := 1
		for digits < len(s) && s[digits]-'0' <= 9 {
			digits++
		}
		nano = num(s[1:min(digits, 10)], 1e9)
		for i := digits; i < 10; i++ {
			nano *= 10
		}
		ok = ok && digits > 1
		s = s[digits:]
	}
	offset := 0
	switch {
	case len(s) == 1 && s[0] == 'Z':
	case len(s) == 6 && (s[0] == '+' || s[0] == '-') && s[3] == ':':
		if offset = num(s[1:3], 24)*3600 + num(s[4:6], 60)*60; s[0] == '-' {
			offset = -offset
		}
	default:
		return t, false
	}
	if !ok || month == 0 || day == 0 || day > 28 && day > daysIn(year, month) {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second-offset, nano, time.UTC)
	return t, t.Year() >= 1 && t.Year() <= 9999
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
