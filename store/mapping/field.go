package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// field reads the value of a field.
func (w *walk) field(f *Field) error {
	t, err := w.r.Next()
	if err != nil {
		return err
	}
	return w.token(f, t)
}

func (w *walk) token(f *Field, t body.Token) error {
	switch {
	case f.Type == Alias:
		return failed(illegal(fmt.Sprintf("Cannot write to a field alias [%s].", f.Path)))
	case t.Kind == body.Null:
		return nil
	case t.Kind == body.Array:
		for {
			t, err := w.r.Next()
			if err != nil || t.Kind == body.EndOfArray {
				return err
			}
			if err := w.token(f, t); err != nil {
				return err
			}
		}
	case f.Type == Flattened:
		if t.Kind != body.Object {
			return w.refuse(f, t.Text(), &Error{Type: "parsing_exception", Reason: fmt.Sprintf("Failed to parse object: expecting token of type [START_OBJECT] but found [%s]", t.Kind)})
		}
		return w.flattenedObject(f, 1)
	case t.Kind == body.Object:
		v, err := w.r.Value(t)
		if err != nil {
			return err
		}
		return w.refuse(f, javaMap(v), &Error{Type: "illegal_state_exception", Reason: "Can't get text on a START_OBJECT"})
	}
	var err error
	if f.Type.Dates() && f.Column == "@timestamp" {
		err = w.timestamp(f, t)
	} else {
		err = w.scalar(f, t)
	}
	if err != nil {
		return err
	}
	for _, sub := range f.fields {
		if err := w.scalar(sub, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) scalar(f *Field, t body.Token) error {
	err := f.check(t.Kind, t.Text, len(t.Raw))
	if f.Type == ConstantKeyword && f.Value == nil && err == nil {
		return w.constant(f, t.Text())
	}
	switch {
	case err == nil, err == errNone, f.IgnoreBad && !errors.Is(err, errImmense):
		return nil
	case err == errImmense:
		return immense(f, t.Text())
	}
	cause := illegal(err.Error())
	if f.Type.Dates() && strings.HasPrefix(cause.Reason, "failed to parse date field") {
		cause.Cause = &Error{Type: "date_time_parse_exception", Reason: "Failed to parse with all enclosed parsers"}
	}
	preview := t.Text()
	if t.Kind == body.Number && (f.Type.Floats() || strings.ContainsAny(preview, ".eE")) { // Elasticsearch shows what it made of it
		if x, err := strconv.ParseFloat(preview, 32); f.Type.Floats() && err != nil {
			preview = javaText(x)
		} else if x, _ := strconv.ParseFloat(preview, 64); strings.ContainsAny(preview, ".eE") {
			preview = javaText(x)
		}
	}
	return w.refuse(f, preview, cause)
}

// timestamp keeps the time that the document is of.
func (w *walk) timestamp(f *Field, t body.Token) error {
	if w.has {
		return parsing("field [@timestamp] encountered multiple values")
	}
	moment, err := f.Format.Parse(t.Text(), false, time.UTC)
	if err != nil {
		return w.scalar(f, t) // which knows what to say
	}
	if _, err := f.Moment(moment); err != nil {
		return w.scalar(f, t)
	}
	w.time, w.has = moment, true
	return nil
}

// constant notes the value that a constant_keyword without one gets from its first document.
func (w *walk) constant(f *Field, text string) error {
	if there := w.new[f.Path]; there != nil && *there.field.Value != text {
		return w.refuse(f, text, illegal(there.field.check(body.String, func() string { return text }, len(text)).Error()))
	}
	known := *f
	known.Value = &text
	known.params = append(slices.Clone(f.params), body.Member{Name: "value", Value: body.Text(text)})
	return w.note(f.Path, &node{field: &known})
}

func (w *walk) refuse(f *Field, preview string, cause *Error) error {
	return &Error{Type: "mapper_parsing_exception", Cause: cause,
		Reason: fmt.Sprintf("failed to parse field [%s] of type [%s] in document with id '%s'. Preview of field's value: '%s'", f.Path, f.Type, w.id, clip(preview))}
}

// javaMap shows a value as Java prints maps and lists, which is how Elasticsearch shows it.
func javaMap(v body.Value) string {
	var b strings.Builder
	switch v.Kind {
	case body.Object:
		b.WriteByte('{')
		for i, m := range v.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(m.Name + "=" + javaMap(m.Value))
		}
		b.WriteByte('}')
	case body.Array:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(javaMap(item))
		}
		b.WriteByte(']')
	case body.Null:
		return "null"
	default:
		return v.Text
	}
	return b.String()
}

// flattened reads what follows a dotted name into a flattened field.
func (w *walk) flattened(f *Field, depth int) error {
	t, err := w.r.Next()
	if err != nil {
		return err
	}
	return w.flattenedToken(f, t, depth)
}

func (w *walk) flattenedObject(f *Field, depth int) error {
	if depth > f.DepthLimit {
		return w.refuse(f, "", illegal(fmt.Sprintf("The provided [flattened] field [%s] exceeds the maximum depth limit of [%d].", f.Path, f.DepthLimit)))
	}
	for {
		name, err := w.r.Next()
		if err != nil || name.Kind == body.EndOfObject {
			return err
		}
		if err := w.flattened(f, depth); err != nil {
			return err
		}
	}
}

func (w *walk) flattenedToken(f *Field, t body.Token, depth int) error {
	switch t.Kind {
	case body.Object:
		return w.flattenedObject(f, depth+1)
	case body.Array:
		for {
			t, err := w.r.Next()
			if err != nil || t.Kind == body.EndOfArray {
				return err
			}
			if err := w.flattenedToken(f, t, depth); err != nil {
				return err
			}
		}
	case body.Null:
		return nil
	}
	if err := f.check(t.Kind, t.Text, len(t.Raw)); err == errImmense {
		return immense(f, t.Text())
	}
	return nil
}
