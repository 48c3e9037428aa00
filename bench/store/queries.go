package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/store/block"
)

// query is a search over segments, the newest first. It returns how many hits there were.
type query struct {
	name string
	run  func(segments []*block.Segment) (int, error)
}

// queries are for n documents.
func queries(n int) []query {
	p := newGenerator(1).pods
	rare := p[len(p)-1]
	// The number that a message in the middle carries is in no other.
	g := newGenerator(1)
	word := ""
	for seq := 0; seq < n/2 || word == ""; seq++ {
		_, source, _ := g.next()
		if _, rest, ok := strings.Cut(string(source), "sq#"); ok && seq >= n/2 {
			word = rest[:8]
		}
	}
	return []query{
		{"newest 200", newest(200, func(s *block.Segment) *block.Bitmap { return s.Rows() })},
		{"newest 200 errors of a namespace", newest(200, both(term("kubernetes.namespace", "team-3"), term("log.level", "error")))},
		{"newest 200 of a pod that writes little", newest(200, term("kubernetes.pod.name", rare.name))},
		{"histogram: 60 buckets by level", histogram},
		{"the 20 pods that write most", top},
		{"term: one id of a container", count(term("container.id", rare.id))},
		{"term: event.sequence, a number", count(integer("event.sequence", int64(n/2)))},
		{"term: an offset that many have", count(integer("log.offset", 212))},
		{"term: _id", count(term(block.ID, rare.uid[:8]+rare.id[:24]+"-212"))},
		{"word, rare", count(token("message", word, word))},
		{"word, common", count(token("message", "partition", "partition"))},
		{"words next to each other", count(token("message", "lease", "renewed lease"))},
		{"substring", count(contains("message", word[1:7]))},
		{"substring that none has", count(contains("message", "nowhere to be found"))},
	}
}

type filter func(s *block.Segment) *block.Bitmap

func none(s *block.Segment) *block.Bitmap { return block.NewBitmap(s.Len()) }

func term(path, text string) filter {
	return func(s *block.Segment) *block.Bitmap {
		c := s.Column(path)
		if c == nil || !c.MayHave(text) {
			return none(s)
		}
		return c.Select(nil, func(v block.Value) bool { return v.Text == text })
	}
}

func integer(path string, n int64) filter {
	return func(s *block.Segment) *block.Bitmap {
		c := s.Column(path)
		if c == nil {
			return none(s)
		}
		if least, greatest, ok := c.MinMax(); ok && (n < least || n > greatest) {
			return none(s)
		}
		rows := none(s)
		ints, _ := c.Ints()
		for row, have := range ints { // every document has one
			if have == n {
				rows.Set(row)
			}
		}
		return rows
	}
}

func contains(path, text string) filter {
	return func(s *block.Segment) *block.Bitmap {
		c := s.Column(path)
		if c == nil {
			return none(s)
		}
		return c.Select(nil, func(v block.Value) bool { return strings.Contains(v.Text, text) })
	}
}

func token(path, word, text string) filter {
	all := contains(path, text)
	return func(s *block.Segment) *block.Bitmap {
		if c := s.Column(path); c == nil || !c.MayHaveToken([]byte(word)) {
			return none(s)
		}
		return all(s)
	}
}

func both(a, b filter) filter {
	return func(s *block.Segment) *block.Bitmap { return a(s).And(b(s)) }
}

func count(f filter) func([]*block.Segment) (int, error) {
	return func(segments []*block.Segment) (int, error) {
		n := 0
		for _, s := range segments {
			n += f(s).And(s.Rows()).Count()
			if err := s.Err(); err != nil {
				return 0, err
			}
		}
		return n, nil
	}
}

// newest finds the newest documents and puts them together, as a search sorted by time does.
func newest(n int, f filter) func([]*block.Segment) (int, error) {
	type hit struct {
		at      int64
		segment *block.Segment
		row     int
	}
	return func(segments []*block.Segment) (int, error) {
		var hits []hit
		for _, s := range segments {
			if _, latest := s.Times(); len(hits) >= n && latest < hits[n-1].at {
				break
			}
			times := s.RowTimes()
			for row := range f(s).And(s.Rows()).Rows {
				hits = append(hits, hit{times[row], s, row})
			}
			if err := s.Err(); err != nil {
				return 0, err
			}
			slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(b.at, a.at) })
			hits = hits[:min(n, len(hits))]
		}
		rows := make(map[*block.Segment]*block.Bitmap)
		for _, h := range hits {
			if rows[h.segment] == nil {
				rows[h.segment] = none(h.segment)
			}
			rows[h.segment].Set(h.row)
		}
		for s, r := range rows {
			if _, err := s.DocsOf(r); err != nil {
				return 0, err
			}
		}
		return len(hits), nil
	}
}

func histogram(segments []*block.Segment) (int, error) {
	low, high := firstTime.UnixNano(), int64(0)
	for _, s := range segments {
		_, latest := s.Times()
		high = max(high, latest)
	}
	width := (high-low)/60 + 1
	buckets := make(map[string]*[60]int)
	for _, s := range segments {
		distinct, codes := s.Column("log.level").Distinct()
		counts := make([][60]int, len(distinct))
		for row, at := range s.RowTimes() { // every document has a level
			counts[codes[row]][(at-low)/width]++
		}
		for i, v := range distinct {
			if buckets[v.Text] == nil {
				buckets[v.Text] = new([60]int)
			}
			for k, n := range counts[i] {
				buckets[v.Text][k] += n
			}
		}
		if err := s.Err(); err != nil {
			return 0, err
		}
	}
	total := 0
	for _, b := range buckets {
		for _, n := range b {
			total += n
		}
	}
	return total, nil
}

func top(segments []*block.Segment) (int, error) {
	counts := make(map[string]int)
	for _, s := range segments {
		distinct, codes := s.Column("kubernetes.pod.name").Distinct()
		n := make([]int, len(distinct))
		for _, code := range codes {
			n[code]++
		}
		for i, v := range distinct {
			counts[v.Text] += n[i]
		}
		if err := s.Err(); err != nil {
			return 0, err
		}
	}
	var all []int
	for _, n := range counts {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b int) int { return b - a })
	total := 0
	for _, n := range all[:min(20, len(all))] {
		total += n
	}
	return total, nil
}
