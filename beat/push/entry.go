package push

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// An entry is one log message of a request, checked.
type entry struct {
	time    time.Time
	kind    string // the member type
	message string
	id      string // empty: the client gave none
	labels  []label
}

type label struct{ key, value string }

// A refusal is an answer that takes nothing of a request, and why. It is the body of every answer but 202.
type refusal struct {
	status int
	Error  string `json:"error"`
	Entry  *int   `json:"entry,omitempty"` // index of the first bad entry, counted from 0
	Field  string `json:"field,omitempty"` // the member of it that is wrong
	reason string // its metric: token, forbidden, …
}

// limits are what a request and its entries must keep to.
type limits struct {
	entries    int
	entryBytes int
	oldest     time.Time
	ahead      time.Duration
	labels     int
	key, value int // characters of a label's
}

// future is the time that is too far from now: the end of a day (UTC), since that is what indices are made for.
func (l *limits) future(now time.Time) time.Time {
	const day = 24 * time.Hour
	return now.Add(l.ahead).Truncate(day).Add(day)
}

// Bounds of an entry's type, and of its id and the Idempotency-Key, in characters.
const (
	maxType = 128
	maxID   = 256
)

// A parser reads the body of one request.
type parser struct {
	limits
	app     string // the UUID of the path, in lower case
	now     time.Time
	entries []entry
	ids     map[string]int // of entries that have one
}

// The members of an entry, in the order in which member knows them.
var (
	entryMembers = []string{"timestemp", "timestamp", "appid", "type", "message", "annotations", "id"}
	required     = []string{"timestemp", "appid", "type", "message"}
	labelMembers = []string{"key", "value"}
)

// array reads a JSON array of entries, all or none of it.
func (p *parser) array(data []byte) *refusal {
	if bad := checkUTF8(data); bad != nil {
		return bad
	}
	r := &jsonReader{data: data}
	at := -1
	err := r.array("an array of entries", func(i int) error {
		at = i
		return p.entry(r)
	})
	if err == nil {
		at = -1
		err = r.end()
	}
	return p.finish(at, err)
}

// lines reads entries that stand on a line each; blank lines are none.
func (p *parser) lines(data []byte) *refusal {
	if bad := checkUTF8(data); bad != nil {
		return bad
	}
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		r := &jsonReader{data: line}
		if r.space(); r.pos == len(line) {
			continue
		}
		at := len(p.entries)
		err := p.entry(r)
		if err == nil {
			err = r.end()
		}
		if err != nil {
			return p.finish(at, err)
		}
	}
	return p.finish(-1, nil)
}

func checkUTF8(data []byte) *refusal {
	if utf8.Valid(data) {
		return nil
	}
	return refuse("syntax", "the body is not UTF-8")
}

func refuse(reason, text string) *refusal {
	return &refusal{status: 400, Error: text, reason: reason}
}

// finish turns what went wrong with entry at into an answer.
func (p *parser) finish(at int, err error) *refusal {
	if err == nil && len(p.entries) == 0 {
		return refuse("syntax", "there are no entries in the body")
	}
	if err == nil {
		return nil
	}
	bad := refuse("entry", err.Error())
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		bad.Error, bad.Field = syntax.reason, syntax.field
	}
	var other *otherAnswer
	if errors.As(err, &other) {
		bad.status, bad.reason, bad.Field = other.status, other.reason, other.field
	}
	if at >= 0 {
		bad.Entry = &at
	} else {
		bad.reason = "syntax"
	}
	return bad
}

// otherAnswer is an error that is not a 400.
type otherAnswer struct {
	status      int
	reason      string
	field, text string
}

func (e *otherAnswer) Error() string { return e.text }

// entry reads one entry.
func (p *parser) entry(r *jsonReader) error {
	if len(p.entries) == p.limits.entries {
		return &otherAnswer{413, "size", "", fmt.Sprintf("more than %d entries in one request", p.limits.entries)}
	}
	r.space()
	begin := r.pos
	var e entry
	var given [len("1234567")]bool // by the index of entryMembers
	err := r.object("an object", entryMembers, func(i int) error {
		given[i] = true
		return p.member(r, &e, i)
	})
	if size := r.pos - begin; size > p.entryBytes {
		return &otherAnswer{413, "size", "", fmt.Sprintf("the entry has more than %d bytes", p.entryBytes)}
	}
	if err != nil {
		return err
	}
	if given[0] && given[1] {
		return &syntaxError{field: "timestamp", reason: "it is the same as timestemp: give only one of them"}
	}
	given[0] = given[0] || given[1]
	for _, name := range required {
		if !given[indexOf(entryMembers, name)] {
			return &syntaxError{field: name, reason: "the member is missing"}
		}
	}
	if e.id != "" {
		if first, ok := p.ids[e.id]; ok { // of the two, Elasticsearch would keep one
			return &otherAnswer{409, "key", "id", fmt.Sprintf("entry %d has the same id", first)}
		}
		if p.ids == nil {
			p.ids = map[string]int{}
		}
		p.ids[e.id] = len(p.entries)
	}
	p.entries = append(p.entries, e)
	return nil
}

// member reads the value of entryMembers[i].
func (p *parser) member(r *jsonReader, e *entry, i int) (err error) {
	switch entryMembers[i] {
	case "timestemp", "timestamp":
		e.time, err = p.time(r)
	case "appid":
		err = p.appid(r)
	case "type":
		if e.kind, err = r.text(); err == nil {
			err = checkWord(e.kind, maxType)
		}
	case "message":
		e.message, err = r.text()
	case "id":
		if e.id, err = r.text(); err == nil {
			err = checkID(e.id)
		}
	case "annotations":
		err = r.array("an array of objects", func(i int) error {
			if i == p.limits.labels {
				return r.fail("more than %d annotations", i)
			}
			l, err := p.label(r)
			e.labels = append(e.labels, l)
			return within(fmt.Sprintf("[%d]", i), err)
		})
	}
	return err
}

func (p *parser) time(r *jsonReader) (time.Time, error) {
	const want = "microseconds since 1970 as a whole number"
	n, err := r.integer(want)
	if err != nil {
		return time.Time{}, err
	}
	t := time.UnixMicro(n).UTC()
	switch {
	case t.Before(p.oldest):
		return t, r.fail("%d is before %s: want %s", n, p.oldest.Format(time.RFC3339), want)
	case !t.Before(p.future(p.now)):
		return t, r.fail("%d is more than %v in the future: want %s", n, p.ahead, want)
	}
	return t, nil
}

func (p *parser) appid(r *jsonReader) error {
	id, err := r.text()
	if err != nil {
		return err
	}
	if !isUUID(id) {
		return r.fail("want a UUID, not %q", clip(id))
	}
	if strings.ToLower(id) != p.app {
		return &otherAnswer{403, "forbidden", "appid", "the entry is of another app than the path's"}
	}
	return nil
}

func (p *parser) label(r *jsonReader) (l label, err error) {
	var given [2]bool
	err = r.object("an object", labelMembers, func(i int) (err error) {
		given[i] = true
		if i == 0 {
			if l.key, err = r.text(); err == nil {
				err = checkWord(l.key, p.key)
			}
			return err
		}
		if l.value, err = r.text(); err == nil && tooLong(l.value, p.value) {
			err = r.fail("it has more than %d characters", p.value)
		}
		return err
	})
	for i, ok := range given {
		if err == nil && !ok {
			err = &syntaxError{field: labelMembers[i], reason: "the member is missing"}
		}
	}
	return l, err
}

// checkWord refuses what cannot stand for a name: at most limit characters, none of them a control character, and no space
// at either end.
func checkWord(s string, limit int) error {
	control := func(c rune) bool { return c < ' ' || 0x7f <= c && c < 0xa0 }
	space := func(c rune) bool { return c == ' ' || c == 0xa0 }
	switch first, last := edges(s); {
	case s == "":
		return &syntaxError{reason: "it is empty"}
	case tooLong(s, limit):
		return &syntaxError{reason: fmt.Sprintf("it has more than %d characters", limit)}
	case strings.ContainsFunc(s, control):
		return &syntaxError{reason: "it holds a control character"}
	case space(first) || space(last):
		return &syntaxError{reason: "it begins or ends with a space"}
	}
	return nil
}

func edges(s string) (first, last rune) {
	first, _ = utf8.DecodeRuneInString(s)
	last, _ = utf8.DecodeLastRuneInString(s)
	return first, last
}

// tooLong says whether s has more than limit characters.
func tooLong(s string, limit int) bool {
	return len(s) > limit && utf8.RuneCountInString(s) > limit
}

// checkID refuses what cannot be an id: of an entry, or as Idempotency-Key.
func checkID(s string) error {
	switch {
	case s == "":
		return &syntaxError{reason: "it is empty"}
	case len(s) > maxID:
		return &syntaxError{reason: fmt.Sprintf("it has more than %d characters", maxID)}
	case strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }):
		return &syntaxError{reason: "it holds a character outside printable ASCII"}
	}
	return nil
}

// isUUID says whether s is written as a UUID, of any version and in either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !isDigit(c) && !('a' <= c|0x20 && c|0x20 <= 'f'):
			return false
		}
	}
	return true
}
