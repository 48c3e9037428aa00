package kql

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// An object is one of JSON.
type object = map[string]any

// A kind is what types of fields have in common for a query.
type kind byte

const (
	unknown kind = iota
	keywords
	texts
	numbers
	dates
	booleans
	addresses
	others // neither values nor words are looked for in them
)

var kinds = map[string]kind{
	"keyword": keywords, "constant_keyword": keywords, "wildcard": keywords, "flattened": keywords, "version": keywords,
	"text": texts, "match_only_text": texts, "annotated_text": texts, "search_as_you_type": texts,
	"long": numbers, "integer": numbers, "short": numbers, "byte": numbers, "unsigned_long": numbers,
	"double": numbers, "float": numbers, "half_float": numbers, "scaled_float": numbers,
	"date": dates, "date_nanos": dates, "boolean": booleans, "ip": addresses,
	"object": others, "nested": others, "binary": others, "geo_point": others, "geo_shape": others,
}

// kindOf is the kind of a field, by its whole name.
func kindOf(f Fields, field string) kind {
	if f == nil {
		return unknown
	}
	return kinds[f.Type(field)]
}

// DSL returns the query for Elasticsearch as a value for encoding/json: that of "query" in a search. It works on 7.17, 8, the embedded store
// and behind a logapi that narrows. What f, which may be nil, does not know is asked so that it works on any type. A value that a
// type cannot have, as a word for a number, finds nothing; where a date cannot be read, Elasticsearch says so.
func (q *Query) DSL(f Fields, o Options) any {
	d := dsl{fields: f, Options: o}
	switch {
	case q.lucene != "":
		query := object{"query": q.lucene, "fields": d.defaults(), "lenient": true}
		if zone := d.zone(""); zone != "" {
			query["time_zone"] = zone
		}
		return object{"query_string": query}
	case q.root == nil:
		return object{"match_all": object{}}
	}
	return d.node(q.root, "")
}

type dsl struct {
	Options
	fields Fields
}

func none() any { return object{"match_none": object{}} }

func (d *dsl) defaults() []string {
	if len(d.Default) == 0 {
		return []string{"*"}
	}
	return d.Default
}

// node makes a query of a node that stands in the nested query of a path.
func (d *dsl) node(n node, path string) any {
	switch n := n.(type) {
	case and:
		var all, without []any
		for _, part := range n {
			if negative, ok := part.(not); ok {
				without = append(without, d.node(negative.node, path))
			} else {
				all = append(all, d.node(part, path))
			}
		}
		query := object{}
		if len(all) > 0 {
			query["filter"] = all
		}
		if len(without) > 0 {
			query["must_not"] = without
		}
		return object{"bool": query}
	case or:
		var some []any
		for _, part := range n {
			some = append(some, d.node(part, path))
		}
		return object{"bool": object{"should": some, "minimum_should_match": 1}}
	case not:
		return object{"bool": object{"must_not": []any{d.node(n.node, path)}}}
	case nested:
		return d.within(path, n.path, true, func(path string) any { return d.node(n.node, path) })
	}
	l := n.(leaf)
	if l.field.any() && l.is == exists {
		return object{"match_all": object{}}
	}
	if l.field.none() || l.field.pattern() {
		return d.many(l, func(r *regex) form { return r.folded })
	}
	field := l.field.text()
	parent := field // which is nested itself, or not at all
	if d.fields == nil || d.fields.Type(field) != "nested" {
		parent = field[:max(0, strings.LastIndexByte(field, '.'))]
	}
	return d.within(path, parent, false, func(string) any { return d.one(field, l) })
}

// within puts a query for what is below a name into the nested queries that it takes to get there from those of path.
// A name that the user has called an object's is one if nothing is known of it.
func (d *dsl) within(path, name string, named bool, query func(path string) any) any {
	var paths []string
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '.' || i <= len(path) {
			continue
		}
		part := name[:i]
		if d.fields != nil && d.fields.Type(part) == "nested" || d.fields == nil && named && i == len(name) {
			paths = append(paths, part)
		}
	}
	if len(paths) > 0 {
		path = paths[len(paths)-1]
	}
	q := query(path)
	for i := len(paths) - 1; i >= 0; i-- {
		q = object{"nested": object{"path": paths[i], "query": q, "score_mode": "none", "ignore_unmapped": true}}
	}
	return q
}

// many asks several fields: the default ones, or those that a name with * means; or one of which nothing is known.
func (d *dsl) many(l leaf, form func(*regex) form) any {
	fields := []string{l.field.text()}
	if l.field.none() || l.field.any() {
		fields = d.defaults()
		if l.field.any() {
			fields = []string{"*"}
		}
	}
	lucene := ""
	switch l.is {
	case exists:
		return object{"exists": object{"field": fields[0]}}
	case matches:
		lucene = "/" + form(l.re).lucene + "/"
	case has:
		if !l.value.pattern() {
			kind := "best_fields"
			if l.value.quoted {
				kind = "phrase"
			}
			return object{"multi_match": object{"query": l.value.text(), "fields": fields, "type": kind, "lenient": true}}
		}
		lucene = luceneWords(l.value)
	default:
		bound := luceneQuoted(l.value.text())
		lucene = map[operator]string{below: "[* TO " + bound + "}", atMost: "[* TO " + bound + "]", above: "{" + bound + " TO *]", atLeast: "[" + bound + " TO *]"}[l.is]
	}
	query := object{"query": lucene, "fields": fields, "lenient": true}
	if zone := d.zone(l.value.text()); zone != "" && l.is >= below {
		query["time_zone"] = zone
	}
	return object{"query_string": query}
}

// one asks one field.
func (d *dsl) one(field string, l leaf) any {
	kind, value := kindOf(d.fields, field), l.value.text()
	any := func() any { return d.many(l, func(r *regex) form { return r.whole }) }
	switch {
	case l.is == exists:
		return object{"exists": object{"field": field}}
	case l.is >= below:
		return d.ranged(field, kind, l)
	case l.is == matches:
		switch kind {
		case keywords:
			return object{"regexp": object{field: object{"value": l.re.whole.lucene}}}
		case texts:
			return object{"regexp": object{field: object{"value": l.re.folded.lucene}}}
		case unknown:
			return any()
		}
		return none()
	case l.value.pattern():
		switch kind {
		case keywords:
			return object{"wildcard": object{field: object{"value": wildcard(l.value)}}}
		case texts, unknown:
			return any()
		}
		return none()
	case kind == dates:
		return d.between(field, value, "gte", "lte")
	case kind == texts && l.value.quoted:
		return object{"match_phrase": object{field: value}}
	case kind == unknown && l.value.quoted:
		return any()
	}
	return object{"match": object{field: object{"query": value, "lenient": true}}}
}

// ranged compares a field, if the value can be one of its kind.
func (d *dsl) ranged(field string, kind kind, l leaf) any {
	value, bound := l.value.text(), [...]string{below: "lt", atMost: "lte", above: "gt", atLeast: "gte"}[l.is]
	switch kind {
	case numbers:
		n, ok := number(value)
		switch most := greatest[d.fields.Type(field)]; {
		case !ok, n > most && l.is >= above, n < -most && l.is < above:
			return none()
		case math.Abs(n) > most:
			return object{"exists": object{"field": field}}
		}
	case addresses:
		if _, err := netip.ParseAddr(value); err != nil {
			return none()
		}
	case booleans:
		if value != "true" && value != "false" {
			return none()
		}
	case dates:
		return d.between(field, value, bound)
	case others:
		return none()
	}
	return object{"range": object{field: object{bound: value}}}
}

// greatest are numbers that Elasticsearch takes for bounds of types; it refuses others.
var greatest = map[string]float64{
	"long": math.Nextafter(math.MaxInt64, 0), "unsigned_long": math.Nextafter(math.MaxUint64, 0), "integer": math.MaxInt32, "short": math.MaxInt32, "byte": math.MaxInt32,
	"double": math.MaxFloat64, "scaled_float": 1e15, "float": math.MaxFloat32, "half_float": 65504,
}

// number reads a number as Elasticsearch does.
func number(text string) (n float64, ok bool) {
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// between asks a date field for what is in bounds that are all of a date: gte and lte of a day are all of it.
func (d *dsl) between(field, date string, names ...string) any {
	bounds := object{}
	for _, name := range names {
		bounds[name] = period(date)
	}
	if zone := d.zone(date); zone != "" {
		bounds["time_zone"] = zone
	}
	return object{"range": object{field: bounds}}
}

// period returns a date so that a year and a month are all of it. Elasticsearch takes them for their first day.
func period(date string) string {
	if _, err := time.Parse("2006", date); err == nil {
		return date + "||/y"
	}
	if _, err := time.Parse("2006-01", date); err == nil {
		return date + "||/M"
	}
	return date
}

// zone returns the zone of dates as Elasticsearch takes it; "" for UTC. Of one whose name it does not know, as that of the machine, it is how far from
// UTC that is at the date.
func (d *dsl) zone(date string) string {
	if d.Location == nil || d.Location == time.UTC {
		return ""
	}
	name := d.Location.String()
	if _, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		return name
	}
	at := time.Now()
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02", "2006-01"} {
		if t, err := time.ParseInLocation(layout, date[:min(len(date), len(layout))], d.Location); err == nil {
			at = t
			break
		}
	}
	return at.In(d.Location).Format("-07:00")
}

// wildcard writes a term as the query of this name has it.
func wildcard(t term) string {
	pieces := make([]string, len(t.pieces))
	for i, piece := range t.pieces {
		pieces[i] = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(piece)
	}
	return strings.Join(pieces, "*")
}

// luceneWords writes a term with * as Lucene's syntax has it: its words, one of which is enough. Words of * alone say nothing. A word with * and ~
// is written as a regular expression: in other words with * there is no escape for ~ that logapi takes.
func luceneWords(t term) string {
	var out []string
	for _, word := range words(t) {
		switch {
		case !word.pattern():
			if text := luceneWord(word.pieces[0]); text != "" {
				out = append(out, text)
			}
		case strings.Contains(word.text(), "~"):
			var b strings.Builder
			for i, piece := range word.pieces {
				if i > 0 {
					b.WriteString(".*")
				}
				for _, r := range piece {
					b.WriteString(luceneRune(r))
				}
			}
			out = append(out, "/"+b.String()+"/")
		default:
			pieces := make([]string, len(word.pieces))
			for i, piece := range word.pieces {
				pieces[i] = luceneEscaped(piece)
			}
			out = append(out, strings.Join(pieces, "*"))
		}
	}
	return strings.Join(out, " ")
}

// words divides a term at its white space.
func words(t term) []term {
	var out []term
	var word []string
	flush := func() {
		one := term{pieces: word}
		if len(word) > 0 && !one.any() && (len(word) > 1 || word[0] != "") {
			out = append(out, one)
		}
		word = nil
	}
	for _, piece := range t.pieces {
		rest := piece
		for {
			i := strings.IndexFunc(rest, unicode.IsSpace)
			if i < 0 {
				word = append(word, rest)
				break
			}
			word = append(word, rest[:i])
			flush()
			rest = strings.TrimLeftFunc(rest[i:], unicode.IsSpace)
		}
	}
	flush()
	return out
}

// luceneWord writes a word without *. There is no escape for < and > at its beginning, where they are no part of words.
func luceneWord(word string) string {
	word = luceneEscaped(strings.TrimLeft(word, "<>"))
	if keyword(word) {
		return `\` + word
	}
	return word
}

var luceneEscapes = func() *strings.Replacer {
	pairs := []string{"~", `\u007e`}
	for _, r := range `\+-=&|><!(){}[]^"*?:/` {
		pairs = append(pairs, string(r), `\`+string(r))
	}
	return strings.NewReplacer(pairs...)
}()

// luceneEscaped escapes what is a sign in Lucene's syntax.
func luceneEscaped(text string) string { return luceneEscapes.Replace(text) }

func luceneQuoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `~`, `\u007e`).Replace(text) + `"`
}
