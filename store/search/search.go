// Package search executes searches of Elasticsearch 7.17 over views of the embedded store.
//
//	body ── Parse ──▶ Request ── Run(views, clock) ──▶ segments, the newest first
//	                                                    │ 1 select the rows (package query), two segments at a time
//	                                                    │ 2 collect: best hits, aggregations
//	                                                    ▼ 3 fetch: _source, fields, highlight
//	                                                 Response
//
// A [Request] is a typed value of what a body means; what is not served is refused by name. Nothing depends on the
// order in which segments are read: hits that sort alike come in the order of their indices, then of their writes.
// Aggregations are exact, as all that they count is in one place.
//
// When the hits are sorted by @timestamp, segments that cannot have better ones are not read, unless totals or
// aggregations need them.
//
// What differs from Elasticsearch is listed in docs/store-differences.md.
package search

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// An Index is what one index brings to a search.
type Index struct {
	View    *store.View
	Mapping *mapping.Mapping
	Aliases []string // which it is known by in queries on _index too

	// Err is why the index could not be opened; beside it there is only Name.
	Err  error
	Name string
}

// Error is a refusal as Elasticsearch words it, answered with 400 unless [Status] says otherwise.
type Error = mapping.Error

// Status is the HTTP status that a refusal is answered with.
func Status(e *Error) int {
	switch e.Type {
	case "too_many_buckets_exception":
		return 503
	case "i_o_exception":
		return 500
	case "circuit_breaking_exception":
		return 429
	case "search_context_missing_exception":
		return 404
	}
	return 400
}

func illegal(format string, args ...any) *Error {
	return &Error{Type: "illegal_argument_exception", Reason: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *Error {
	return &Error{Type: "parsing_exception", Reason: fmt.Sprintf(format, args...)}
}

// notServed refuses what Elasticsearch has and the store has not.
func notServed(what string, args ...any) *Error {
	return illegal(what+" is not served here", args...)
}

// A parser keeps the first error.
type parser struct{ err error }

func (p *parser) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

func (p *parser) text(name string, v body.Value) string {
	if !v.Scalar() || v.Kind == body.Null {
		p.fail(malformed("[%s] must be a value, not [%s]", clip(name), v.Kind))
	}
	return v.Text
}

func (p *parser) flag(name string, v body.Value) bool {
	if !v.Scalar() || v.Text != "true" && v.Text != "false" {
		p.fail(illegal("Failed to parse value [%s] of [%s] as only [true] or [false] are allowed.", clip(v.Text), clip(name)))
	}
	return v.Text == "true"
}

func (p *parser) int(name string, v body.Value, least, most int) int {
	n, err := strconv.Atoi(v.Text)
	if err != nil && v.Kind == body.Number { // 1e3 is 1000, and of a fraction the whole number counts
		var x float64
		x, err = strconv.ParseFloat(v.Text, 64)
		n = int(whole(x))
	}
	if !v.Scalar() || err != nil {
		p.fail(illegal("Failed to parse int parameter [%s] with value [%s]", clip(name), clip(v.Text)))
		return least
	}
	if n < least || n > most {
		p.fail(illegal("[%s] must be between %d and %d, but was [%d]", clip(name), least, most, n))
		return least
	}
	return n
}

func (p *parser) float(name string, v body.Value) float64 {
	x, err := strconv.ParseFloat(v.Text, 64)
	if !v.Scalar() || err != nil || x != x {
		p.fail(illegal("Failed to parse [%s] with value [%s] as a number", clip(name), clip(v.Text)))
		return 0
	}
	return x
}

// texts reads a text or a list of texts.
func (p *parser) texts(name string, v body.Value) []string {
	items := v.Items
	if v.Kind != body.Array {
		items = []body.Value{v}
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, p.text(name, item))
	}
	return out
}

func (p *parser) duration(name string, v body.Value) time.Duration {
	d, err := ParseDuration(p.text(name, v))
	if err != nil {
		p.fail(illegal("failed to parse setting [%s] with value [%s] as a time value: %s", clip(name), clip(v.Text), err))
	}
	return d
}

// ParseDuration reads a time value of Elasticsearch's: 30s, 1.5h, -1.
func ParseDuration(s string) (time.Duration, error) {
	if s == "-1" || s == "0" {
		return time.Duration(-int64(len(s) - 1)), nil
	}
	for _, unit := range []struct {
		name string
		time.Duration
	}{{"nanos", 1}, {"micros", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		number, ok := strings.CutSuffix(strings.ToLower(strings.TrimSpace(s)), unit.name)
		if !ok {
			continue
		}
		if unit.name == "m" && strings.HasSuffix(strings.TrimSpace(s), "M") { // which would be months
			break
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(x >= 0) || x*float64(unit.Duration) > 1<<62 {
			break
		}
		return time.Duration(x * float64(unit.Duration)), nil
	}
	return 0, fmt.Errorf("unit is missing or unrecognized")
}
