package block

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Column has the values at one path. They are numbered by row, and in the order of the document within a row.
type Column struct {
	*core
	*info
	index int

	opening  sync.Once
	entries  []token   // const and dict
	tokens   []token   // of documents in memory that are no dictionary
	whole    bool      // what the block has of it was read
	rest     []byte    // codes or differences, until they are decoded
	numbers  form      // ints
	min, max int64     // ints
	text     *textData // text

	decoding sync.Once
	codes    Codes   // dict
	ints     []int64 // ints

	placing sync.Once
	placed  placement

	filtering sync.Once
	bloom     bloom

	asInts, asTimes numeric[int64]
	asFloats        numeric[float64]
}

// numeric is the values as numbers, once they have been asked for.
type numeric[T any] struct {
	sync.Once
	list []T
	ok   bool
}

// Path is the column's path.
func (c *Column) Path() string { return c.path }

// Len is the number of values.
func (c *Column) Len() int { return c.n }

// load reads what the column has in its block. What is damaged counts as no values.
func (c *Column) load() {
	c.opening.Do(func() {
		if c.docs != nil {
			c.gather()
			return
		}
		if c.n == 0 {
			return
		}
		b, err := c.read(c.data)
		if err == nil && !c.parse(&reader{b: b}) {
			err = errDamaged
		}
		if c.whole = err == nil; err != nil {
			c.fail(err)
			c.entries, c.text, c.rest = nil, nil, nil
		}
	})
}

// gather makes the column of documents in memory.
func (c *Column) gather() {
	all := tokens(make([]token, 0, len(c.spans)), c.spans, c.docs)
	if c.index == 0 {
		for _, d := range c.docs {
			all = append(all, token{d.ID, plain})
		}
	}
	if entries, codes, ok := dictionary(all); ok && len(entries) > 0 {
		c.entries, c.codes = entries, newCodes(codes, len(entries))
		c.used.Add(int64(c.codes.size()))
		return
	}
	c.tokens = all
	c.used.Add(int64(24 * len(all)))
}

func (c *Column) parse(r *reader) bool {
	switch c.how {
	case encConst:
		c.entries = readTokens(r, 1)
		return !r.bad && len(r.b) == 0
	case encDict:
		n := r.count(maxEntries)
		texts := reader{b: r.packed()}
		c.entries = readTokens(&texts, n)
		c.rest = r.b
		c.used.Add(int64(24 * n))
		return n > 0 && !r.bad && !texts.bad && len(texts.b) == 0
	case encInts:
		c.numbers.kind, c.numbers.width = formKind(r.byte()), int(r.byte())
		c.numbers.prefix = string(r.bytes())
		c.min, c.max = r.varint(), r.varint()
		c.rest = r.b
		return !r.bad && c.numbers.kind <= stamp && c.numbers.width <= maxDigits
	}
	c.text = readText(r, c.n, c.pieces)
	if c.text != nil {
		c.used.Add(int64(4 * c.n))
	}
	return c.text != nil
}

// decode reads the codes or the numbers.
func (c *Column) decode() {
	c.load()
	c.decoding.Do(func() {
		if c.rest == nil {
			return
		}
		r := reader{b: c.rest}
		var err error
		if c.how == encDict {
			c.codes, err = readCodes(&r, c.n, len(c.entries))
		} else if ints, ok := readDeltas(r.packed(), c.n); ok {
			if unit := c.numbers.unit(); unit > 1 {
				for i := range ints {
					ints[i] *= unit
				}
			}
			c.ints = ints
		} else {
			err = errDamaged
		}
		if err != nil {
			c.fail(err)
		}
		c.rest = nil
		c.used.Add(int64(c.codes.size() + 8*len(c.ints)))
	})
}

func readTokens(r *reader, n int) []token {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	tokens := make([]token, n)
	for i := range tokens {
		how := class(r.byte())
		tokens[i] = token{view(r.bytes()), how}
		if how > bare || how == bare && tokens[i].text == "" {
			r.fail()
			return nil
		}
	}
	return tokens
}

// at gives a value as it is kept. c.decode has been called. buf is for what has to be put together; the token is valid until
// it is used again. chunk is the text chunk that was used last.
func (c *Column) at(i int, buf *[]byte, chunk **chunk) token {
	switch {
	case !c.codes.None():
		return c.entries[c.codes.At(i)]
	case c.entries != nil:
		return c.entries[0]
	case c.ints != nil:
		*buf = c.numbers.append((*buf)[:0], c.ints[i])
		if c.numbers.kind == number {
			return token{view(*buf), bare}
		}
		return token{view(*buf), plain}
	case c.tokens != nil:
		return c.tokens[i]
	case c.text != nil:
		t, err := c.text.token(c.core, i, chunk)
		if err != nil {
			c.fail(err)
		}
		return t
	}
	return token{class: bare} // of a damaged block
}

// placement says which values each row has.
type placement struct {
	single bool     // each row has one
	valued []uint32 // otherwise, the rows that have any, ascending
	start  []uint32 // the first value of each of those, and the end
}

// place finds out which values each row has.
func (c *Column) place() *placement {
	c.placing.Do(func() {
		if c.single {
			c.placed.single = true
			return
		}
		by, err := c.shaped()
		if err != nil {
			c.fail(err)
			return
		}
		c.placed = by.placement(c.index, c.n)
		if p := &c.placed; !p.single {
			c.used.Add(int64(8 * len(p.valued)))
			if len(p.start) > 0 && int(p.start[len(p.start)-1]) != c.n || len(p.start) == 0 && c.n > 0 {
				c.fail(errDamaged)
				*p = placement{}
			}
		}
	})
	return &c.placed
}

// Range gives the values of a row: from the first to before end.
func (c *Column) Range(row int) (first, end int) {
	p := c.place()
	if p.single {
		return row, row + 1
	}
	i, ok := slices.BinarySearch(p.valued, uint32(row))
	if !ok {
		return 0, 0
	}
	return int(p.start[i]), int(p.start[i+1])
}

// each calls f with each row among those given (nil: all) that has values, and with their numbers from first to before end.
func (c *Column) each(among *Bitmap, f func(row, first, end int)) {
	p := c.place()
	if !p.single {
		for i, row := range p.valued {
			if among == nil || among.Has(int(row)) {
				f(int(row), int(p.start[i]), int(p.start[i+1]))
			}
		}
		return
	}
	if among != nil {
		for row := range among.Rows {
			f(row, row, row+1)
		}
		return
	}
	for row := range c.rows {
		f(row, row, row+1)
	}
}

// Exists is the set of rows that have a value here other than null.
func (c *Column) Exists() *Bitmap {
	c.load()
	if c.entries == nil && (c.text == nil || c.text.mayHaveNull()) && c.how != encInts {
		return c.Select(nil, nil, func(v Value) bool { return v.Kind != Null })
	}
	for _, t := range c.entries {
		if t.isNull() {
			return c.Select(nil, nil, func(v Value) bool { return v.Kind != Null })
		}
	}
	return c.has()
}

// has is the set of rows that have a value here, be it null.
func (c *Column) has() *Bitmap {
	if c.place().single {
		return FullBitmap(c.rows)
	}
	b := NewBitmap(c.rows)
	for _, row := range c.placed.valued {
		b.Set(int(row))
	}
	return b
}

// Values adds the values of a row.
func (c *Column) Values(row int, to []Value) []Value {
	c.decode()
	first, end := c.Range(row)
	for i := first; i < end; i++ {
		to = append(to, c.At(i))
	}
	return to
}

// At is the value of a number; see Range.
func (c *Column) At(i int) Value {
	c.decode()
	var buf []byte
	var last *chunk
	t := c.at(i, &buf, &last)
	if t.class == bare && t.text == "" {
		return Value{Kind: Null} // of a damaged block
	}
	return t.value()
}

// Distinct gives the distinct values and which of them each value is, where those are few; otherwise distinct is nil.
func (c *Column) Distinct() (distinct []Value, codes Codes) {
	c.decode()
	if c.entries == nil {
		return nil, Codes{}
	}
	distinct = make([]Value, len(c.entries))
	for i, t := range c.entries {
		distinct[i] = t.value()
	}
	return distinct, c.codes
}

// Select gives the rows among those given (nil: among all) that have a value for which f holds. f is asked once for each distinct value
// where those are few; the text that it gets is valid during the call.
//
// may, if it is not nil, is asked of many texts at once, one behind the other as they stand in their documents, with escapes: false says that
// f holds for none of them. It is not asked where characters are escaped by their numbers.
func (c *Column) Select(among *Bitmap, may func(texts string) bool, f func(Value) bool) *Bitmap {
	c.decode()
	result := NewBitmap(c.rows)
	if c.entries != nil {
		c.selectCoded(among, result, f)
		return result
	}
	var buf, text []byte
	last := scratch()
	looked, passed := 0, 0 // values before looked were asked about together, of those before passed none is such
	c.each(among, func(row, first, end int) {
		for i := first; i < end; i++ {
			if may != nil && c.text != nil && i >= looked {
				var texts string
				if texts, looked = c.text.around(c.core, i, &last); !may(texts) && !strings.Contains(texts, `\u`) {
					passed = looked
				}
			}
			if i < passed {
				continue
			}
			t := c.at(i, &buf, &last)
			if t.class == escaped {
				text = appendUnescaped(text[:0], t.text)
				t = token{view(text), plain}
			}
			if (t.class != bare || t.text != "") && f(t.value()) {
				result.Set(row)
				return
			}
		}
	})
	return result
}

func (c *Column) selectCoded(among, result *Bitmap, f func(Value) bool) {
	if c.codes.None() {
		if f(c.entries[0].value()) {
			if result.Or(c.has()); among != nil {
				result.And(among)
			}
		}
		return
	}
	holds, any := make([]uint8, max(len(c.entries), 1<<8)), false
	for i, t := range c.entries {
		if f(t.value()) {
			holds[i], any = 1, true
		}
	}
	if !any {
		return
	}
	if codes := c.codes.Narrow(); codes != nil && c.place().single {
		result.setWhere(codes, (*[1 << 8]uint8)(holds))
		if among != nil {
			result.And(among)
		}
		return
	}
	c.each(among, func(row, first, end int) {
		for i := first; i < end; i++ {
			if holds[c.codes.At(i)] != 0 {
				result.Set(row)
				return
			}
		}
	})
}

// MayHave says whether some value may be text: as the Text of a Value. False is certain.
func (c *Column) MayHave(text string) bool {
	if c.isText() {
		return c.filtered().has(valueHash(text))
	}
	c.load()
	switch {
	case c.entries != nil:
		for _, t := range c.entries {
			if t.text == text || t.class == escaped && unescape(t.text) == text {
				return true
			}
		}
		return false
	case c.whole && c.how == encInts:
		n, ok := c.numbers.parse(text)
		if !ok || n < c.min || n > c.max {
			return false
		}
		c.decode()
		for _, have := range c.ints {
			if have == n {
				return true
			}
		}
		return false
	}
	return c.n > 0
}

// isText says whether the column has a filter, for which its text needs not be loaded.
func (c *Column) isText() bool { return c.docs == nil && c.n > 0 && c.how == encText }

// MayHaveToken says whether some value may be token, or have it as one of its words. False is certain. A word is what an analyzer makes
// of letters, digits and what is between them, in lower case.
func (c *Column) MayHaveToken(token []byte) bool {
	text := string(token)
	if c.MayHave(text) {
		return true
	}
	switch {
	case c.entries != nil:
		return c.entriesHave(text)
	case c.isText():
		have := true
		words(text, func(w []byte) bool {
			have = len(w) >= longestWord || c.bloom.has(wordHash(w))
			return have
		})
		return have
	}
	// Of a number that is not negative the only word is itself.
	return c.n > 0 && !(c.how == encInts && c.whole && c.numbers.kind == number && c.min >= 0)
}

// entriesHave says whether all words of text are among the words of one distinct value.
func (c *Column) entriesHave(text string) bool {
	want := make(map[string]bool)
	words(text, func(w []byte) bool {
		if len(w) < longestWord {
			want[string(w)] = true
		}
		return true
	})
	for _, t := range c.entries {
		found := make(map[string]bool)
		words(t.value().Text, func(w []byte) bool {
			if want[string(w)] {
				found[string(w)] = true
			}
			return len(found) < len(want)
		})
		if len(found) == len(want) {
			return true
		}
	}
	return false
}

func (c *Column) filtered() bloom {
	c.filtering.Do(func() {
		b, err := c.read(c.filter)
		if err != nil || len(b)%8 != 0 {
			if err == nil {
				err = errDamaged
			}
			c.fail(err)
			return
		}
		c.bloom = make(bloom, len(b)/8)
		for i := range c.bloom {
			c.bloom[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		c.used.Add(int64(len(b)))
	})
	return c.bloom
}

// Ints gives the values as integers, if all of them are such. Numbers that an int64 does not hold exactly are none.
func (c *Column) Ints() ([]int64, bool) {
	c.decode()
	if c.ints != nil && c.numbers.kind == number {
		return c.ints, true
	}
	return convert(c, &c.asInts, func(v Value) (int64, bool) {
		n, err := strconv.ParseInt(v.Text, 10, 64)
		return n, err == nil && v.Kind == Number
	})
}

// Floats gives the values as floating-point numbers, if all of them are numbers. Those too large are infinite.
func (c *Column) Floats() ([]float64, bool) {
	return convert(c, &c.asFloats, func(v Value) (float64, bool) {
		f, _ := strconv.ParseFloat(v.Text, 64)
		return f, v.Kind == Number
	})
}

// Times gives the values as nanoseconds since 1970, if all of them are strings like 2006-01-02T15:04:05.999Z, in UTC, with up to
// nine digits behind the point.
func (c *Column) Times() ([]int64, bool) {
	c.decode()
	if c.ints != nil && c.numbers.kind == stamp {
		return c.ints, true
	}
	return convert(c, &c.asTimes, func(v Value) (int64, bool) {
		ns, _, ok := parseStamp(v.Text)
		return ns, ok && v.Kind == String
	})
}

// MinMax are the least and the greatest of Ints or Times, where the block says them without its values being read; Stamps says which.
func (c *Column) MinMax() (least, greatest int64, ok bool) {
	if c.how != encInts || c.n == 0 {
		return 0, 0, false
	}
	c.load()
	return c.min, c.max, c.whole && (c.numbers.kind == number || c.numbers.kind == stamp)
}

// Stamps says whether what MinMax gives are times.
func (c *Column) Stamps() bool { return c.numbers.kind == stamp }

// convert fills n with the values as numbers.
func convert[T any](c *Column, n *numeric[T], parse func(Value) (T, bool)) ([]T, bool) {
	n.Do(func() {
		c.decode()
		list := make([]T, c.n)
		if c.entries != nil {
			distinct, codes := c.Distinct()
			of := make([]T, len(distinct))
			for i, v := range distinct {
				var ok bool
				if of[i], ok = parse(v); !ok {
					return
				}
			}
			for i := range list {
				list[i] = of[0]
				if !codes.None() {
					list[i] = of[codes.At(i)]
				}
			}
		} else {
			var buf []byte
			last := scratch()
			for i := range list {
				t := c.at(i, &buf, &last)
				if t.class == bare && t.text == "" {
					return
				}
				var ok bool
				if list[i], ok = parse(t.value()); !ok {
					return
				}
			}
		}
		n.list, n.ok = list, true
		c.used.Add(int64(8 * len(list)))
	})
	return n.list, n.ok
}
