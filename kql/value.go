package kql

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/store/mapping"
)

// value makes the test for one value, which is not nil, of a field of a kind. Several says that it is one of several that are asked.
func (m *matcher) value(kind kind, field string, l leaf, several bool) (func(v any) bool, error) {
	switch kind {
	case keywords:
		return keywordTest(l, several), nil
	case texts:
		return textTest(l, several), nil
	case numbers:
		return numberTest(l), nil
	case dates:
		return m.dateTest(l, field, m.fields.Type(field) == "date")
	case booleans:
		return booleanTest(l), nil
	case addresses:
		return addressTest(l), nil
	case unknown:
		return m.anyTest(l, several), nil
	}
	return never, nil
}

// anyTest is for values of which nothing is known: by what they are.
func (m *matcher) anyTest(l leaf, several bool) func(v any) bool {
	if l.is == matches && !several {
		l.re = &regex{whole: l.re.whole, folded: l.re.whole}
	}
	whole, word, number, truth := keywordTest(l, true), textTest(l, several), numberTest(l), booleanTest(l)
	date, err := m.dateTest(l, "", false)
	dated := err == nil && l.is >= below
	return func(v any) bool {
		switch v.(type) {
		case string:
			if dated {
				if _, ok := moment(v); ok {
					return date(v)
				}
			}
			return whole(v) || l.is < below && word(v)
		case bool:
			return truth(v)
		}
		return number(v)
	}
}

// text is a value as Elasticsearch makes a text of it; ok is false of objects.
func text(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', -1, 64), true
		}
		return mapping.JavaText(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case bool:
		return strconv.FormatBool(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), true
	}
	return "", false
}

func onText(holds func(s string) bool) func(v any) bool {
	return func(v any) bool {
		s, ok := text(v)
		return ok && holds(s)
	}
}

// keywordTest compares whole values. Among several fields words with * are asked one by one, as query_string does.
func keywordTest(l leaf, several bool) func(v any) bool {
	value := l.value.text()
	switch {
	case l.is >= below:
		return onText(func(s string) bool { return compared(strings.Compare(s, value), l.is) })
	case l.is == matches && several:
		return onText(l.re.folded.re.MatchString)
	case l.is == matches:
		return onText(l.re.whole.re.MatchString)
	case !l.value.pattern():
		return onText(func(s string) bool { return s == value })
	}
	patterns := []term{l.value}
	if several {
		patterns = words(l.value)
	}
	return onText(func(s string) bool {
		return slices.ContainsFunc(patterns, func(t term) bool { return like(t.pieces, s) })
	})
}

// like says whether s is the pieces with any text between them.
func like(pieces []string, s string) bool {
	rest, ok := strings.CutPrefix(s, pieces[0])
	last := len(pieces) - 1
	if last == 0 {
		return ok && rest == ""
	}
	if !ok || !strings.HasSuffix(rest, pieces[last]) {
		return false
	}
	rest = rest[:len(rest)-len(pieces[last])]
	for _, piece := range pieces[1:last] {
		_, after, ok := strings.Cut(rest, piece)
		if !ok {
			return false
		}
		rest = after
	}
	return true
}

// compared says whether an order, below, at or above 0, is what an operator asks.
func compared(order int, is operator) bool {
	switch is {
	case below:
		return order < 0
	case atMost:
		return order <= 0
	case above:
		return order > 0
	}
	return order >= 0
}

// wordsOf are the words of a text in their order.
func wordsOf(s string) []string {
	var out []string
	mapping.Standard.Each(s, func(start, end int) bool {
		out = append(out, mapping.Standard.Fold(s[start:end]))
		return true
	})
	return out
}

// anyWord says whether a word of a text passes.
func anyWord(s string, test func(word string) bool) bool {
	found := false
	mapping.Standard.Each(s, func(start, end int) bool {
		found = test(mapping.Standard.Fold(s[start:end]))
		return !found
	})
	return found
}

// textTest compares words, in lower case. What they are compared to is brought into lower case where several fields are asked, as by query_string.
func textTest(l leaf, several bool) func(v any) bool {
	value := l.value.text()
	switch {
	case l.is >= below:
		if several {
			value = mapping.Standard.Fold(value)
		}
		return onText(func(s string) bool {
			return anyWord(s, func(word string) bool { return compared(strings.Compare(word, value), l.is) })
		})
	case l.is == matches:
		return onText(func(s string) bool { return anyWord(s, l.re.folded.re.MatchString) })
	case l.value.quoted:
		phrase := wordsOf(value)
		return onText(func(s string) bool { return len(phrase) > 0 && holdsPhrase(wordsOf(s), phrase) })
	}
	exact, patterns := sought(l.value)
	return onText(func(s string) bool {
		return anyWord(s, func(word string) bool {
			return slices.Contains(exact, word) || slices.ContainsFunc(patterns, func(pieces []string) bool { return like(pieces, word) })
		})
	})
}

// sought returns the words of which one must be in a text, and those with * by their pieces.
func sought(value term) (exact []string, patterns [][]string) {
	for _, word := range words(value) {
		if !word.pattern() {
			exact = append(exact, wordsOf(word.pieces[0])...)
			continue
		}
		pieces := make([]string, len(word.pieces))
		for i, piece := range word.pieces {
			pieces[i] = mapping.Standard.Fold(piece)
		}
		patterns = append(patterns, pieces)
	}
	return exact, patterns
}

func holdsPhrase(all, phrase []string) bool {
	for i := range len(all) - len(phrase) + 1 {
		if slices.Equal(all[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}

func never(any) bool { return false }

func numberTest(l leaf) func(v any) bool {
	want, ok := number(l.value.text())
	if !ok || l.is == matches || l.value.pattern() {
		return never
	}
	whole, errWhole := strconv.ParseInt(l.value.text(), 10, 64)
	return func(v any) bool {
		s, ok := text(v)
		if !ok {
			return false
		}
		order := 0
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && errWhole == nil {
			order = compare(n, whole)
		} else if x, err := strconv.ParseFloat(s, 64); err == nil {
			order = compare(x, want)
		} else {
			return false
		}
		return l.is == has && order == 0 || l.is >= below && compared(order, l.is)
	}
}

func compare[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func booleanTest(l leaf) func(v any) bool {
	value := l.value.text()
	if value != "true" && value != "false" || l.is == matches {
		return never
	}
	rank := map[string]int64{"false": 0, "": 0, "true": 1}
	return onText(func(s string) bool {
		n, ok := rank[s]
		if l.is == has {
			return ok && n == rank[value]
		}
		return ok && compared(compare(n, rank[value]), l.is)
	})
}

func addressTest(l leaf) func(v any) bool {
	value := l.value.text()
	if l.is == matches || l.value.pattern() {
		return never
	}
	if network, err := netip.ParsePrefix(value); err == nil && l.is == has {
		return onText(func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err == nil && network.Masked().Contains(a.Unmap())
		})
	}
	want, err := netip.ParseAddr(value)
	if err != nil {
		return never
	}
	want16 := netip.AddrFrom16(want.As16())
	return onText(func(s string) bool {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return false
		}
		order := netip.AddrFrom16(a.As16()).Compare(want16)
		return l.is == has && order == 0 || l.is >= below && compared(order, l.is)
	})
}

// Elasticsearch's default for dates.
var dateFormat = func() *mapping.Format {
	f, err := mapping.ParseFormat("strict_date_optional_time||epoch_millis")
	if err != nil {
		panic(err)
	}
	return f
}()

// moment reads a date of a document.
func moment(v any) (time.Time, bool) {
	if t, ok := v.(time.Time); ok {
		return t, true
	}
	s, ok := text(v)
	if !ok {
		return time.Time{}, false
	}
	t, err := dateFormat.Parse(s, false, time.UTC)
	return t, err == nil
}

// dateTest compares moments, to the millisecond if a field keeps no more. What a date leaves open is all of it: 2026-11-20 is the whole
// day, and > 2026-11-20 what comes after it. Where several fields are asked, a month is its first day.
func (m *matcher) dateTest(l leaf, field string, millis bool) (func(v any) bool, error) {
	if l.is == matches || l.value.pattern() {
		return never, nil
	}
	date := l.value.text()
	if !l.field.none() && !l.field.pattern() {
		date = period(date)
	}
	read := func(up bool) (time.Time, error) {
		t, err := dateFormat.ParseMath(date, m.now, up, m.Location)
		if err != nil {
			return t, fmt.Errorf("cannot look for %s in %s, which is a date: write one as 2026-11-20, \"2026-11-20T10:15:00Z\" or now-1h", quoted(l.value.text()), field)
		}
		if millis {
			t = t.Truncate(time.Millisecond)
		}
		return t, nil
	}
	first, err := read(false)
	if err != nil {
		return nil, err
	}
	last, err := read(true)
	if err != nil {
		return nil, err
	}
	return func(v any) bool {
		t, ok := moment(v)
		if !ok {
			return false
		}
		if millis {
			t = t.Truncate(time.Millisecond)
		}
		switch l.is {
		case below:
			return t.Before(first)
		case atMost:
			return !t.After(last)
		case above:
			return t.After(last)
		case atLeast:
			return !t.Before(first)
		}
		return !t.Before(first) && !t.After(last)
	}, nil
}
