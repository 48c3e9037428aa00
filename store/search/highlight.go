package search

import (
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/query"
)

// A Highlight says which fields are to be shown with what was found in them marked.
type Highlight struct {
	Fields []HighlightField
}

// A HighlightField is a pattern of fields and how they are shown.
type HighlightField struct {
	Pattern   string
	Pre, Post string
	Fragments int // how many pieces of the text; 0 is all of it
	Size      int // bytes of a piece, about
	NoMatch   int // bytes to show of a text in which nothing was found
	AnyField  bool
	HTML      bool
	Query     query.Query // nil is that of the search
}

func (p *parser) highlight(v body.Value) *Highlight {
	base := HighlightField{Pre: "<em>", Post: "</em>", Fragments: 5, Size: 100}
	h := &Highlight{}
	var fields []body.Value
	for _, m := range v.Members {
		if m.Name == "fields" {
			fields = []body.Value{m.Value}
			if m.Value.Kind == body.Array {
				fields = m.Value.Items
			}
			continue
		}
		p.highlightOption(&base, m.Name, m.Value)
	}
	for _, list := range fields {
		for _, m := range list.Members {
			f := base
			f.Pattern = m.Name
			for _, o := range m.Value.Members {
				p.highlightOption(&f, o.Name, o.Value)
			}
			h.Fields = append(h.Fields, f)
		}
	}
	return h
}

func (p *parser) highlightOption(f *HighlightField, name string, v body.Value) {
	first := func() string {
		if list := p.texts(name, v); len(list) > 0 {
			return list[0]
		}
		return ""
	}
	switch name {
	case "pre_tags":
		f.Pre = first()
	case "post_tags":
		f.Post = first()
	case "tags_schema":
		if p.text(name, v) == "styled" {
			f.Pre, f.Post = `<em class="hlt1">`, "</em>"
		}
	case "number_of_fragments":
		f.Fragments = p.int(name, v, 0, 1000)
	case "fragment_size":
		f.Size = p.int(name, v, 0, 1<<20)
	case "no_match_size":
		f.NoMatch = p.int(name, v, 0, 1<<20)
	case "require_field_match":
		f.AnyField = !p.flag(name, v)
	case "encoder":
		switch e := p.text(name, v); e {
		case "html":
			f.HTML = true
		case "default":
			f.HTML = false
		default:
			p.fail(illegal("Unknown encoder type '%s'.", clip(e)))
		}
	case "highlight_query":
		var err error
		f.Query, err = query.Parse(v)
		p.fail(err)
	case "type", "order", "boundary_scanner", "boundary_scanner_locale", "boundary_chars", "boundary_max_scan", "fragmenter",
		"force_source", "max_analyzed_offset", "phrase_limit", "fragment_offset":
		// They say how, and not what: pieces here are sentences.
	default:
		p.fail(malformed("[highlight] unknown field [%s]", clip(name)))
	}
}

// A highlightField is one field of an index.
type highlightField struct {
	*HighlightField
	field *mapping.Field
	plan  *query.Plan
}

func (h *Highlight) on(ix *indexed, x *running) ([]*highlightField, error) {
	var out []*highlightField
	done := make(map[string]bool)
	for i := range h.Fields {
		f := &h.Fields[i]
		plan := ix.plan
		if f.Query != nil {
			var err error
			if plan, err = x.compile(ix, f.Query); err != nil {
				return nil, err
			}
		}
		for _, field := range ix.Mapping.Match(f.Pattern) {
			if done[field.Path] || !field.Type.Analyzed() && !field.Type.Keywords() {
				continue
			}
			done[field.Path] = true
			out = append(out, &highlightField{f, field, plan})
		}
	}
	return out, nil
}

func (s *shaper) writeHighlights(w *writer, leaves map[string][]block.Value) {
	opened := false
	for _, f := range s.highlight {
		pieces := f.pieces(leaves[f.field.Column])
		if len(pieces) == 0 {
			continue
		}
		if !opened {
			w.name("highlight").open('{')
			opened = true
		}
		w.name(f.field.Path).open('[')
		for _, p := range pieces {
			w.text(p)
		}
		w.close(']')
	}
	if opened {
		w.close('}')
	}
}

// pieces are the texts to show of a field's values.
func (f *highlightField) pieces(list []block.Value) []string {
	var out []string
	var first string
	for _, v := range list {
		_, text, ok := scalar(f.field, v)
		if !ok || f.field.Type.Keywords() && !fits(f.field, v) {
			continue
		}
		if first == "" {
			first = text
		}
		spans := f.spans(text)
		switch {
		case len(spans) == 0:
		case f.Fragments == 0:
			out = append(out, f.mark(text, 0, len(text), spans))
		default:
			out = append(out, f.fragments(text, spans)...)
		}
	}
	if f.Fragments > 0 && len(out) > f.Fragments {
		out = out[:f.Fragments]
	}
	if len(out) == 0 && f.NoMatch > 0 && first != "" {
		out = append(out, f.encode(first[:sentenceEnd(first, 0, f.NoMatch)]))
	}
	return out
}

// spans are the words of the text that were looked for.
func (f *highlightField) spans(text string) []query.Span {
	names := []string{f.field.Path}
	if f.AnyField {
		names = f.plan.Fields()
	}
	var out []query.Span
	for _, name := range names {
		for _, span := range f.plan.Spans(name, text) {
			if len(out) > 0 && span.Start < out[len(out)-1].End {
				continue
			}
			if !f.field.Type.Analyzed() {
				out = append(out, span)
				continue
			}
			f.field.Analyzer.Each(text[span.Start:span.End], func(start, end int) bool {
				out = append(out, query.Span{Start: span.Start + start, End: span.Start + end})
				return true
			})
		}
	}
	return out
}

// fragments cuts out the sentences with spans, short ones together.
func (f *highlightField) fragments(text string, spans []query.Span) []string {
	if !f.field.Type.Analyzed() {
		return []string{f.mark(text, 0, len(text), spans)}
	}
	var out []string
	for start := 0; start < len(text) && len(spans) > 0; {
		end := sentenceEnd(text, start, f.Size)
		n := 0
		for n < len(spans) && spans[n].Start < end {
			end = max(end, spans[n].End)
			n++
		}
		if n > 0 {
			out = append(out, strings.TrimRight(f.mark(text, start, end, spans[:n]), " \t\r\n"))
			spans = spans[n:]
		}
		start = end
	}
	return out
}

// sentenceEnd is where the text from start is to be cut: behind the last sentence that ends within size, or the first.
func sentenceEnd(text string, start, size int) int {
	end := 0
	for i := start; i < len(text); i++ {
		c := text[i]
		if !(c == '\n' || (c == '.' || c == '!' || c == '?') && i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\n')) {
			continue
		}
		next := i + 1
		for next < len(text) && (text[next] == ' ' || text[next] == '\n') {
			next++
		}
		if next-start > size && end > 0 {
			return end
		}
		end = next
		if next-start >= size {
			return end
		}
	}
	if end > 0 && len(text)-start > size {
		return end
	}
	return len(text)
}

// mark writes text[start:end] with the spans marked.
func (f *highlightField) mark(text string, start, end int, spans []query.Span) string {
	var b strings.Builder
	at := start
	for _, s := range spans {
		b.WriteString(f.encode(text[at:s.Start]))
		b.WriteString(f.Pre)
		b.WriteString(f.encode(text[s.Start:s.End]))
		b.WriteString(f.Post)
		at = s.End
	}
	b.WriteString(f.encode(text[at:end]))
	return b.String()
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;")

func (f *highlightField) encode(s string) string {
	if f.HTML {
		return htmlEscapes.Replace(s)
	}
	return s
}
