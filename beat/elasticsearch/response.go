package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A result is what a bulk answer says of one item.
type result struct {
	status int
	err    []byte // the item's "error" as JSON, nil when there is none; part of the body
}

var errNoBulk = errors.New("no bulk answer")

// parseBulk reads the answer of a bulk request of n items and appends their results to dst, in
// order. It takes all or nothing: a body that is cut, is not JSON, or speaks of another number of
// items is an error, because no item can be called delivered on such evidence.
func parseBulk(dst []result, body []byte, n int) ([]result, error) {
	if !json.Valid(body) {
		return dst, fmt.Errorf("%w: the body is no JSON, or cut off after %d bytes", errNoBulk, len(body))
	}
	s := scanner{body, 0}
	seen := false
	err := s.object(func(key []byte) error {
		if string(key) != `"items"` {
			s.skip()
			return nil
		}
		if seen {
			return fmt.Errorf("%w: items given twice", errNoBulk)
		}
		seen = true
		return s.array(func() error {
			r, err := s.item()
			dst = append(dst, r)
			return err
		})
	})
	switch {
	case err != nil:
		return dst, err
	case len(dst) != n:
		return dst, fmt.Errorf("%w: %d items for the %d that were sent", errNoBulk, len(dst), n)
	}
	return dst, nil
}

// allCreated says whether body is, to the byte, what a server answers when all went well and all of items were creates.
// Most answers are that, and it costs next to nothing to see it; what it does not know is not necessarily wrong.
func allCreated(body []byte, items []item) bool {
	const one, begin = `{"create":{"status":201}}`, `"errors":false,"items":[`
	head, rest, _ := bytes.Cut(body, []byte(begin))
	if len(items) == 0 || len(rest) != len(items)*(len(one)+1)+1 || rest[len(rest)-1] != '}' || string(head) != "{" && !isTook(head) {
		return false
	}
	for i := range items {
		end := byte(',')
		if i == len(items)-1 {
			end = ']'
		}
		if items[i].op != opCreate || string(rest[:len(one)]) != one || rest[len(one)] != end {
			return false
		}
		rest = rest[len(one)+1:]
	}
	return true
}

// isTook says whether b is {"took":123, as servers answer that do not know filter_path.
func isTook(b []byte) bool {
	b, ok := bytes.CutPrefix(b, []byte(`{"took":`))
	b, comma := bytes.CutSuffix(b, []byte(","))
	if !ok || !comma || len(b) == 0 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// item reads {"create": {"status": 201, "error": …, …}}.
func (s *scanner) item() (r result, err error) {
	ops := 0
	err = s.object(func([]byte) error {
		ops++
		return s.object(func(key []byte) error {
			from := s.here()
			s.skip()
			switch string(key) {
			case `"status"`:
				r.status, _ = strconv.Atoi(string(s.b[from:s.i]))
			case `"error"`:
				r.err = s.b[from:s.i]
			}
			return nil
		})
	})
	if err == nil && (ops != 1 || r.status < 200 || r.status > 599 || r.status/100 == 3) {
		err = fmt.Errorf("%w: %d operations in an item, status %d", errNoBulk, ops, r.status)
	}
	return r, err
}

// A scanner walks JSON that json.Valid has passed: it need not look for errors of syntax.
type scanner struct {
	b []byte
	i int // of the next byte to read
}

// here skips white space, and a comma or colon among it, and returns the place of what follows.
func (s *scanner) here() int {
	for s.i < len(s.b) && strings.IndexByte(" \t\r\n,:", s.b[s.i]) >= 0 {
		s.i++
	}
	return s.i
}

func (s *scanner) open(c byte) error {
	if at := s.here(); at == len(s.b) || s.b[at] != c {
		return fmt.Errorf("%w: no %q at byte %d", errNoBulk, c, at)
	}
	s.i++
	return nil
}

// object calls f for each key, quotes and all, with the scanner before its value, which f reads.
func (s *scanner) object(f func(key []byte) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	for s.b[s.here()] != '}' {
		from := s.i
		s.skip()
		if err := f(s.b[from:s.i]); err != nil {
			return err
		}
	}
	s.i++
	return nil
}

func (s *scanner) array(f func() error) error {
	if err := s.open('['); err != nil {
		return err
	}
	for s.b[s.here()] != ']' {
		if err := f(); err != nil {
			return err
		}
	}
	s.i++
	return nil
}

// skip moves behind the next value.
func (s *scanner) skip() {
	depth := 0
	for s.here(); s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			s.string()
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			depth--
			s.i++
		case ' ', '\t', '\r', '\n', ',', ':':
			s.i++
		default: // a number, true, false, null
			for s.i < len(s.b) && strings.IndexByte(" \t\r\n,:]}", s.b[s.i]) < 0 {
				s.i++
			}
		}
		if depth == 0 {
			return
		}
	}
}

func (s *scanner) string() {
	for s.i++; s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			s.i++
		}
	}
	s.i++
}

// maxReason bounds, in bytes, the reason that a dead letter or a log line repeats.
const maxReason = 4096

// A reason says why an event was refused.
type reason struct {
	status int // HTTP status of the item or the request, 0 if it never left podbeat
	kind   string
	text   string
}

// String is for logs: text may quote what an event holds, so newlines and the like are escaped.
func (r reason) String() string {
	text := strconv.Quote(r.text)
	if r.status == 0 {
		return r.kind + ": " + text
	}
	return fmt.Sprintf("%d %s: %s", r.status, strings.Trim(strconv.Quote(r.kind), `"`), text)
}

// blocked says whether the cluster takes no event now, whatever it is: an index or all of them are
// blocked for writing, or there are as many shards as cluster.max_shards_per_node allows, so that a
// new day's index cannot be made. That passes, or somebody ends it; the journal has the events.
func (r reason) blocked() bool {
	return r.kind == "cluster_block_exception" ||
		r.kind == "validation_exception" && strings.Contains(r.text, "this action would add [") // shards
}

// misdirected says whether events like it may all be refused until rights, the index or the
// configuration are changed.
func (r reason) misdirected() bool {
	switch r.kind {
	case "security_exception", "index_closed_exception", "index_not_found_exception":
		return true
	case "illegal_argument_exception":
		return strings.HasPrefix(r.text, "pipeline with id [") && strings.Contains(r.text, "] does not exist")
	}
	return false
}

// advice names what somebody has to do before an item is taken that is sent again, "" if waiting may be enough.
func (r reason) advice() string {
	s := ""
	switch {
	case r.status == http.StatusTooManyRequests || r.status >= 500:
		return ""
	case r.kind == "cluster_block_exception":
		s = "lift the block, index.blocks or cluster.blocks"
	case r.kind == "validation_exception":
		s = "delete indices, add nodes or raise cluster.max_shards_per_node"
	case r.kind == "index_closed_exception":
		s = "open the index"
	case r.kind == "index_not_found_exception":
		s = "create the index or allow it in action.auto_create_index"
	case r.kind == "illegal_argument_exception":
		s = "create the pipeline, or change pipeline of output.elasticsearch or default_pipeline of the index"
	default:
		return advice(r.status)
	}
	return " (" + s + "; nothing is dropped)"
}

// readReason reads Elasticsearch's error, an object with type, reason and caused_by, or a string.
// What it can't read it repeats as it is.
func readReason(status int, raw []byte) reason {
	type cause struct {
		Type, Reason string
		CausedBy     *cause `json:"caused_by"`
	}
	var c cause
	if err := json.Unmarshal(raw, &c); err != nil || c.Type == "" {
		return reason{status, "unknown", bounded(string(bytes.TrimSpace(raw)), maxReason)}
	}
	text := c.Reason
	for by, n := c.CausedBy, 0; by != nil && n < 5; by, n = by.CausedBy, n+1 {
		text += ": " + by.Type + ": " + by.Reason
	}
	return reason{status, bounded(c.Type, 256), bounded(text, maxReason)}
}

// readError reads the answer to a request that was refused as a whole.
func readError(status int, body []byte) reason {
	var answer struct{ Error json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == nil {
		return reason{status, "unknown", bounded(string(body), maxReason)}
	}
	return readReason(status, answer.Error)
}

// bounded cuts s to at most limit bytes, at the edge of a character, and says that it did.
func bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
