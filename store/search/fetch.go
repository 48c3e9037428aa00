package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// fetch writes hits as a JSON array.
func (x *running) fetch(hits []hit, f *Fetch, by []*sorter) ([]byte, error) {
	w := &writer{}
	w.open('[')
	held := 0
	err := x.writeHits(w, hits, f, by, func() error {
		more := len(w.b) - held
		held = len(w.b)
		return x.room(more)
	})
	w.close(']')
	return w.b, err
}

// A page is of so many bytes of documents, about: as many as are in memory at once.
const (
	firstPage = 8 // documents
	pageBytes = 4 << 20
)

// writeHits writes hits as items of an array, and calls wrote after each. It reads their documents page by page.
func (x *running) writeHits(w *writer, hits []hit, f *Fetch, by []*sorter, wrote func() error) error {
	shapers := make(map[*indexed]*shaper)
	for n := firstPage; len(hits) > 0; {
		page := hits[:min(n, len(hits))]
		docs, size, held, err := x.documents(page)
		if err == nil {
			err = x.writePage(w, page, docs, shapers, f, by, wrote)
		}
		_ = x.room(-held)
		switch {
		case errors.Is(err, errPage):
			n = max(1, len(page)/8)
			continue
		case err != nil:
			return err
		}
		hits = hits[len(page):]
		n = max(1, min(16*len(page), pageBytes*len(page)/(size+1)))
	}
	return nil
}

func (x *running) writePage(w *writer, hits []hit, docs []block.Doc, shapers map[*indexed]*shaper, f *Fetch, by []*sorter, wrote func() error) error {
	for i := range hits {
		ix := hits[i].seg.index
		s, err := shapers[ix], error(nil)
		if s == nil {
			if s, err = x.shaper(ix, f); err != nil {
				return err
			}
			shapers[ix] = s
		}
		if err := x.writeHit(w, &hits[i], docs[i], s, by); err != nil {
			return x.broke(ix, err)
		}
		docs[i] = block.Doc{} // the memory is for what comes
		if err := wrote(); err != nil {
			return err
		}
	}
	return nil
}

var errPage = errors.New("the documents are longer than those before")

// documents reads the hits' documents, those of a segment at once, of several segments at a time. size is their length, and held what room was
// told of, which may be there with an error too. It is errPage when there are several that are longer than a page by far.
func (x *running) documents(hits []hit) (docs []block.Doc, size, held int, err error) {
	of := make(map[*segment][]int)
	for i := range hits {
		of[hits[i].seg] = append(of[hits[i].seg], i)
	}
	docs = make([]block.Doc, len(hits))
	var sum atomic.Int64
	read := func(seg *segment, places []int) error {
		slices.SortFunc(places, func(a, b int) int { return cmp.Compare(hits[a].row, hits[b].row) })
		rows := block.NewBitmap(seg.Len())
		for _, i := range places {
			rows.Set(hits[i].row)
		}
		n := 0
		return seg.EachDoc(rows, func(d block.Doc) error {
			docs[places[n]] = d
			n++
			if x.ctx.Err() != nil {
				return context.Cause(x.ctx)
			}
			if sum.Add(int64(len(d.Source))) > 4*pageBytes && len(hits) > 1 {
				return errPage
			}
			return nil
		})
	}
	var reading sync.WaitGroup
	free := make(chan struct{}, parallel())
	segments := slices.Collect(maps.Keys(of))
	errs := make([]error, len(segments))
	for i, seg := range segments {
		free <- struct{}{}
		reading.Go(func() {
			errs[i] = read(seg, of[seg])
			<-free
		})
	}
	reading.Wait()
	for i, e := range errs {
		if e != nil && (err == nil || errors.Is(err, errPage)) {
			err = x.broke(segments[i].index, e)
		}
	}
	if size = int(sum.Load()); size > pageBytes && err == nil { // a page is bounded, but not one document
		held = size
		err = x.room(held)
	}
	return docs, size, held, err
}

// A shaper makes of documents of one index what is wanted of them.
type shaper struct {
	*Fetch
	mapping   *mapping.Mapping
	fields    []*shownField
	unmapped  []string // patterns of fields that are in no mapping
	docValues []*shownField
	limited   map[string][]*mapping.Field // by column: those that leave values out
	highlight []*highlightField
}

// A shownField is a field under the name it was asked for.
type shownField struct {
	name   string
	source source
	format *mapping.Format
	text   bool // of a text field, whose values are shown as they are
}

func (x *running) shaper(ix *indexed, f *Fetch) (*shaper, error) {
	s := &shaper{Fetch: f, mapping: ix.Mapping, limited: make(map[string][]*mapping.Field)}
	ix.Mapping.Fields(func(field *mapping.Field) {
		if field.Type != mapping.Alias && (field.IgnoreBad || field.Type.Keywords() && field.IgnoreAbove < 1<<31-1) {
			s.limited[field.Column] = append(s.limited[field.Column], field)
		}
	})
	var err error
	if s.fields, err = shown(ix, f.Fields, false); err != nil {
		return nil, err
	}
	if s.docValues, err = shown(ix, f.DocValues, true); err != nil {
		return nil, err
	}
	for _, want := range f.Fields {
		if want.Unmapped {
			s.unmapped = append(s.unmapped, want.Pattern)
		}
	}
	if f.Highlight != nil {
		s.highlight, err = f.Highlight.on(ix, x)
	}
	return s, err
}

// shown are the fields that patterns name.
func shown(ix *indexed, wanted []FieldFormat, docValues bool) ([]*shownField, error) {
	var out []*shownField
	add := func(name string, want FieldFormat) error {
		field, ok := ix.Mapping.Field(name)
		if !ok {
			return nil
		}
		s := &shownField{name: name, text: field.Type.Analyzed()}
		if docValues || !s.text {
			var err error
			if s.source, err = ix.source(name, true); err != nil && docValues {
				return err
			}
		}
		s.source.field, s.source.nanos = field, field.Type == mapping.DateNanos
		s.source.kind = kindOf(field.Type)
		if field.Type.Dates() {
			s.format = field.Format
			if want.Format != "" {
				f, err := mapping.ParseFormat(want.Format)
				if err != nil {
					return illegal("%s", err)
				}
				s.format = f
			}
		} else if want.Format != "" {
			return illegal("Field [%s] of type [%s] doesn't support formats.", clip(name), field.Type)
		}
		out = append(out, s)
		return nil
	}
	for _, want := range wanted {
		if !strings.Contains(want.Pattern, "*") {
			if err := add(want.Pattern, want); err != nil {
				return nil, err
			}
			continue
		}
		var names []string
		ix.Mapping.Fields(func(f *mapping.Field) {
			if mapping.Like(want.Pattern, f.Path) && (!docValues || f.Type == mapping.Alias || kindOf(f.Type) != unmapped && f.DocValues) {
				names = append(names, f.Path)
			}
		})
		for _, name := range names {
			if err := add(name, want); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (x *running) writeHit(w *writer, h *hit, d block.Doc, s *shaper, by []*sorter) error {
	w.open('{')
	w.name("_index").text(h.seg.index.View.Index())
	w.name("_type").text("_doc")
	if !s.NoStored {
		w.name("_id").text(d.ID)
	}
	if s.Version {
		w.name("_version").int(d.Version)
	}
	if s.Seq {
		w.name("_seq_no").int(d.Seq)
		w.name("_primary_term").int(1)
	}
	scored := len(by) == 0 || x.request.TrackScores || slices.ContainsFunc(by, func(s *sorter) bool { return s.Field == byScore })
	if w.name("_score"); scored {
		w.float(x.request.score)
	} else {
		w.null()
	}
	var leaves map[string][]block.Value
	var whole body.Value
	if len(s.limited) > 0 && !s.NoStored || len(s.fields)+len(s.docValues)+len(s.highlight)+len(s.unmapped) > 0 {
		var err error
		if whole, err = body.Parse(d.Source); err != nil {
			return fmt.Errorf("cannot read document %q of index %s: %w", d.ID, h.seg.index.View.Index(), err)
		}
		leaves = make(map[string][]block.Value)
		flatten(whole, "", leaves)
	}
	if !s.NoStored {
		s.ignored(w, leaves)
	}
	if !s.NoSource {
		if err := s.source(w, d.Source); err != nil {
			return err
		}
	}
	s.writeFields(w, leaves, whole)
	s.writeIgnored(w, leaves)
	s.writeHighlights(w, leaves)
	if len(by) > 0 {
		w.name("sort").open('[')
		for i, key := range h.keys {
			by[i].show(w, key, h.seg.index.position, x.request.score)
		}
		if x.request.seqOrder && by[len(by)-1].Field != shardDoc {
			w.int(place(h.seg.index.position, h.seq))
		}
		w.close(']')
	}
	w.close('}')
	return nil
}

// flatten collects the scalars of a document by their paths, null among them.
func flatten(v body.Value, path string, to map[string][]block.Value) {
	switch v.Kind {
	case body.Object:
		for _, m := range v.Members {
			name := m.Name
			if path != "" {
				name = path + "." + name
			}
			flatten(m.Value, name, to)
		}
	case body.Array:
		for _, item := range v.Items {
			flatten(item, path, to)
		}
	case body.String:
		to[path] = append(to[path], block.Value{Kind: block.String, Text: v.Text})
	case body.Number:
		to[path] = append(to[path], block.Value{Kind: block.Number, Text: v.Text})
	case body.Bool:
		to[path] = append(to[path], block.Value{Kind: block.Bool, Text: v.Text})
	default:
		to[path] = append(to[path], block.Value{Kind: block.Null})
	}
}

// ignored names the fields that have left out a value of the document.
func (s *shaper) ignored(w *writer, leaves map[string][]block.Value) {
	var names []string
	for path, fields := range s.limited {
		for _, v := range leaves[path] {
			for _, f := range fields {
				if v.Kind != block.Null && !fits(f, v) && !slices.Contains(names, f.Path) {
					names = append(names, f.Path)
				}
			}
		}
	}
	if names == nil {
		return
	}
	slices.Sort(names)
	w.name("_ignored").open('[')
	for _, name := range names {
		w.text(name)
	}
	w.close(']')
}

func fits(f *mapping.Field, v block.Value) bool {
	kind, text, ok := scalar(f, v)
	switch kindOf(f.Type) {
	case texts:
		_, ok = term(f, v)
	case floats:
		_, ok = f.Float(kind, text)
	case ints:
		_, ok = f.Int(kind, text)
	}
	return ok
}

// source writes the document, or what includes and excludes leave of it.
func (s *shaper) source(w *writer, source []byte) error {
	left, err := s.Cut(source)
	w.name("_source").raw(left)
	return err
}

// Cut returns the document, or what Includes and Excludes leave of it.
func (s *Fetch) Cut(source []byte) ([]byte, error) {
	if len(s.Includes)+len(s.Excludes) == 0 {
		return source, nil
	}
	v, err := body.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("cannot read a document: %w", err)
	}
	cut, _ := s.cut(v, "", len(s.Includes) == 0)
	return cut.Append(nil), nil
}

// cut returns what is wanted of an object or array at path; in says that all of it is included.
func (s *Fetch) cut(v body.Value, path string, in bool) (cut body.Value, kept bool) {
	cut = body.Value{Kind: v.Kind}
	switch v.Kind {
	case body.Object:
		for _, m := range v.Members {
			name := m.Name
			if path != "" {
				name = path + "." + name
			}
			if covered(s.Excludes, name) {
				continue
			}
			inside := in || covered(s.Includes, name)
			if m.Value.Scalar() {
				if inside {
					cut.Members = append(cut.Members, m)
				}
				continue
			}
			if part, ok := s.cut(m.Value, name, inside); ok || inside {
				cut.Members = append(cut.Members, body.Member{Name: m.Name, Value: part})
			}
		}
		return cut, len(cut.Members) > 0
	case body.Array:
		for _, item := range v.Items {
			if item.Scalar() {
				if in {
					cut.Items = append(cut.Items, item)
				}
				continue
			}
			if part, ok := s.cut(item, path, in); ok {
				cut.Items = append(cut.Items, part)
			}
		}
		return cut, len(cut.Items) > 0
	}
	return v, in
}

// covered says whether a pattern names the path, or an object that it is in.
func covered(patterns []string, path string) bool {
	for _, p := range patterns {
		if mapping.Like(p, path) {
			return true
		}
		for i := range len(path) {
			if path[i] == '.' && mapping.Like(p, path[:i]) {
				return true
			}
		}
	}
	return false
}
