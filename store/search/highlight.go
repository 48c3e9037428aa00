package search

import (
	"slices"
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
	Size      int // characters of a piece, about
	NoMatch   int // characters to show of a text in which nothing was found
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
		f.Size = min(p.int(name, v, 0, 1<<31-1), 1<<20) // Kibana and Grafana ask for the greatest there is
	case "no_match_size":
		f.NoMatch = min(p.int(name, v, 0, 1<<31-1), 1<<20)
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
		out = append(out, f.encode(strings.TrimSpace(f.beginning(first))))
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

// fragments are the pieces of the text to show.
func (f *highlightField) fragments(text string, spans []query.Span) []string {
	if !f.field.Type.Analyzed() {
		return []string{f.mark(text, 0, len(text), spans)}
	}
	runes := []rune(text)
	at := make([]int, 0, len(runes)+1) // of each rune, where it is in text
	place := make(map[int]int, 2*len(spans))
	for i := range text {
		at = append(at, i)
	}
	at = append(at, len(text))
	for _, s := range spans {
		place[s.Start], _ = slices.BinarySearch(at, s.Start)
		place[s.End], _ = slices.BinarySearch(at, s.End)
	}
	inRunes := make([]query.Span, len(spans))
	for i, s := range spans {
		inRunes[i] = query.Span{Start: place[s.Start], End: place[s.End]}
	}
	list := best(passages(runes, inRunes, f.Size), f.Fragments, len(runes), func(s query.Span) string {
		return f.field.Analyzer.Fold(string(runes[s.Start:s.End]))
	})
	out := make([]string, len(list))
	for i, p := range list {
		for k, s := range p.marks {
			p.marks[k] = query.Span{Start: at[s.Start], End: at[s.End]}
		}
		out[i] = strings.TrimSpace(f.mark(text, at[p.start], at[p.end], p.marks))
	}
	return out
}

// beginning is the first words of a text in which nothing was found.
func (f *highlightField) beginning(text string) string {
	runes := []rune(text)
	if f.NoMatch >= len(runes) {
		return text
	}
	return string(runes[:wordBreaks(runes).following(f.NoMatch)])
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
