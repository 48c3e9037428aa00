package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A walk checks one document against a mapping.
type walk struct {
	m    *Mapping
	r    body.Reader
	id   string
	path []byte           // of the value at hand
	new  map[string]*node // what the document brings, by full name
	time time.Time        // its @timestamp
	has  bool             // whether it has one
}

// Added is what is known of a document that fits.
type Added struct {
	Mapping *Mapping // as it was, or grown by the fields that are new in the document
	Time    int64    // its @timestamp in nanoseconds since 1970; what an int64 cannot hold is its least or greatest
	Timed   bool     // whether it has one, in a date field
}

var walks = sync.Pool{New: func() any { return new(walk) }}

// Add checks a document as Elasticsearch does before it takes it. Other than Elasticsearch it refuses one with
// several values of @timestamp, which is the time that the store knows it by. An error is an *[Error] and means
// that the document is refused (400).
func (m *Mapping) Add(id string, source []byte) (Added, error) {
	w := walks.Get().(*walk)
	defer walks.Put(w)
	grown, err := w.add(m, id, source)
	added := Added{Mapping: grown, Timed: w.has}
	if w.has {
		added.Time = nanoseconds(w.time)
	}
	return added, err
}

// nanoseconds is UnixNano within what an int64 holds.
func nanoseconds(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < math.MinInt64/int64(time.Second):
		return math.MinInt64
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (w *walk) add(m *Mapping, id string, source []byte) (*Mapping, error) {
	w.m, w.id, w.path, w.new, w.has = m, id, w.path[:0], nil, false
	w.r.Reset(source)
	err := w.document()
	var syntax *body.Error
	if errors.As(err, &syntax) {
		kind := "json_parse_exception"
		if strings.HasPrefix(syntax.Reason, "unexpected end") {
			kind = "json_e_o_f_exception"
		}
		return nil, failed(&Error{Type: kind, Reason: syntax.Reason + fmt.Sprintf(" at byte %d", syntax.Offset)})
	}
	if err != nil {
		return nil, err
	}
	if len(w.new) == 0 {
		return m, nil
	}
	fresh := &node{}
	for _, path := range slices.Sorted(maps.Keys(w.new)) { // what is above comes first
		if err := fresh.place(path, w.new[path]); err != nil {
			return nil, err
		}
	}
	w.new = nil
	grown := *m
	if grown.root, err = mergeNodes("", m.root, fresh, false); err != nil {
		return nil, err
	}
	checked, err := grown.checked()
	if err != nil {
		return nil, failed(err.(*Error))
	}
	return checked, nil
}

// place puts a field or object of a document at that path below n, which is the document's own.
func (n *node) place(path string, child *node) error {
	for rest := path; ; {
		name, next, more := strings.Cut(rest, ".")
		there := n.children[name]
		switch {
		case !more && there == nil:
			n.put(name, child)
			return nil
		case !more:
			merged, err := mergeNodes(path, there, child, false)
			n.put(name, merged)
			return err
		case there == nil:
			there = &node{}
			n.put(name, there)
		case there.field != nil:
			return illegal(fmt.Sprintf("can't merge a non object mapping [%s] with an object mapping", strings.TrimSuffix(path, "."+next)))
		}
		n, rest = there, next
	}
}

func failed(cause *Error) *Error {
	return &Error{Type: "mapper_parsing_exception", Reason: "failed to parse", Cause: cause}
}

func (w *walk) document() error {
	if w.r.Peek() != body.Object {
		if _, err := w.r.Next(); err != nil {
			return err
		}
		return failed(&Error{Type: "not_x_content_exception", Reason: "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"})
	}
	var err error
	if w.m.root.disabled {
		err = w.r.Skip()
	} else if _, err = w.r.Next(); err == nil {
		err = w.object(w.m.root, dynamicOf(w.m.root, "true"))
	}
	if err != nil {
		return err
	}
	return w.r.End()
}

func dynamicOf(n *node, parent string) string {
	if n != nil && n.dynamic != "" {
		return n.dynamic
	}
	return parent
}

// object reads the members of an object that has begun.
func (w *walk) object(n *node, dynamic string) error {
	for {
		name, err := w.r.Next()
		if err != nil || name.Kind == body.EndOfObject {
			return err
		}
		text, ok := name.Plain()
		if !ok {
			text = []byte(name.Text())
		}
		before := len(w.path)
		if err := w.member(n, text, dynamic); err != nil {
			return err
		}
		w.path = w.path[:before]
	}
}

// metadata are names that no document may have at its root.
var metadata = map[string]bool{"_id": true, "_index": true, "_type": true, "_source": true, "_routing": true, "_field_names": true,
	"_seq_no": true, "_version": true, "_ignored": true, "_nested_path": true, "_doc_count": true, "_tier": true, "_primary_term": true}

// member reads the value of a member of n, which is nil for an object that is new.
func (w *walk) member(n *node, name []byte, dynamic string) error {
	if len(w.path) == 0 && len(name) > 0 && name[0] == '_' && metadata[string(name)] {
		reason := fmt.Sprintf("Field [%s] is a metadata field and cannot be added inside a document. Use the index API request parameters.", name)
		return parsing(reason)
	}
	if len(name) == 0 {
		return failed(illegal("field name cannot be an empty string"))
	}
	if bytes.IndexByte(name, '.') < 0 {
		w.enter(name)
		return w.value(child(n, name), dynamic)
	}
	for part := range bytes.SplitSeq(name, []byte(".")) {
		if len(bytes.TrimSpace(part)) == 0 {
			return failed(illegal(fmt.Sprintf("object field starting or ending with a [.] makes object resolution ambiguous: [%s]", clip(string(name)))))
		}
	}
	for {
		part, rest, more := bytes.Cut(name, []byte("."))
		c := child(n, part)
		if !more {
			w.enter(part)
			return w.value(c, dynamic)
		}
		w.enter(part)
		switch {
		case c != nil && c.field != nil && c.field.Type == Flattened:
			return w.flattened(c.field, 1)
		case c != nil && c.field != nil:
			return parsing(fmt.Sprintf("Could not dynamically add mapping for field [%s.%s]. Existing mapping for [%s] must be of type object but found [%s].",
				w.path, rest, w.path, c.field.Type))
		case c == nil:
			done, err := w.stranger(dynamic)
			if done || err != nil {
				return err
			}
			if c, err = w.newObject(); err != nil {
				return err
			}
		}
		if c.disabled {
			return w.r.Skip()
		}
		dynamic = dynamicOf(c, dynamic)
		n, name = c, rest
	}
}

func child(n *node, name []byte) *node {
	if n == nil {
		return nil
	}
	return n.children[string(name)]
}

func (w *walk) enter(name []byte) {
	if len(w.path) > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, name...)
}

// stranger passes over a value that is not mapped where dynamic forbids to map it.
func (w *walk) stranger(dynamic string) (done bool, err error) {
	switch dynamic {
	case "false":
		return true, w.r.Skip()
	case "strict":
		path := string(w.path)
		parent, name := "_doc", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			parent, name = path[:i], path[i+1:]
		}
		return true, &Error{Type: "strict_dynamic_mapping_exception",
			Reason: fmt.Sprintf("mapping set to strict, dynamic introduction of [%s] within [%s] is not allowed", name, parent)}
	}
	return false, nil
}

// newObject notes that the value at hand is in an object that is new, and returns it.
func (w *walk) newObject() (*node, error) {
	path := string(w.path)
	if there := w.new[path]; there != nil && there.field == nil {
		return there, nil
	}
	n, err := w.m.fromTemplate(path, "object", object)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = &node{}
	}
	return n, w.note(path, n)
}

func (w *walk) note(path string, n *node) error {
	if there := w.new[path]; there != nil {
		merged, err := mergeNodes(path, there, n, false)
		if err != nil {
			return err
		}
		n = merged
	}
	if w.new == nil {
		w.new = map[string]*node{}
	}
	w.new[path] = n
	if len(w.new) > w.m.settings.TotalFields { // the rest of the document does not help it
		return failed(w.m.tooMany())
	}
	return nil
}

// value reads the value at w.path; c is what is mapped there, or nil.
func (w *walk) value(c *node, dynamic string) error {
	switch {
	case c == nil:
		return w.unmapped(dynamic)
	case c.field != nil:
		return w.field(c.field)
	case c.disabled:
		return w.r.Skip()
	}
	t, err := w.r.Next()
	if err != nil {
		return err
	}
	switch t.Kind {
	case body.Object:
		return w.object(c, dynamicOf(c, dynamic))
	case body.Null:
		return nil
	case body.Array:
		return w.objects(c, dynamicOf(c, dynamic))
	}
	return w.concrete(string(w.path[bytes.LastIndexByte(w.path, '.')+1:]))
}

func (w *walk) concrete(name string) error {
	return parsing(fmt.Sprintf("object mapping for [%s] tried to parse field [%s] as object, but found a concrete value", w.path, name))
}

// objects reads the items of an array of an object's.
func (w *walk) objects(c *node, dynamic string) error {
	for {
		t, err := w.r.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case body.EndOfArray:
			return nil
		case body.Object:
			err = w.object(c, dynamic)
		case body.Array:
			err = w.objects(c, dynamic)
		case body.Null:
		default:
			err = w.concrete("null")
		}
		if err != nil {
			return err
		}
	}
}

// unmapped reads a value nothing is known of.
func (w *walk) unmapped(dynamic string) error {
	kind := w.r.Peek()
	if kind == body.Null && dynamic != "strict" {
		return w.r.Skip()
	}
	if done, err := w.stranger(dynamic); done || err != nil {
		return err
	}
	t, err := w.r.Next()
	if err != nil {
		return err
	}
	return w.unmappedToken(t, dynamic)
}

func (w *walk) unmappedToken(t body.Token, dynamic string) error {
	switch t.Kind {
	case body.Null:
		return nil
	case body.Array:
		for {
			t, err := w.r.Next()
			if err != nil || t.Kind == body.EndOfArray {
				return err
			}
			if err := w.unmappedToken(t, dynamic); err != nil {
				return err
			}
		}
	case body.Object:
		n, err := w.newObject()
		if err != nil {
			return err
		}
		if n.field != nil { // a template makes a field of objects: flattened
			return w.token(n.field, t)
		}
		if n.disabled {
			return w.leave()
		}
		return w.object(n, dynamicOf(n, dynamic))
	}
	text := t.Text()
	n, err := w.m.dynamicField(string(w.path), t.Kind, text)
	if err != nil {
		return err
	}
	if n.field == nil {
		return w.concrete(string(w.path[bytes.LastIndexByte(w.path, '.')+1:]))
	}
	if err := w.token(n.field, t); err != nil {
		return err
	}
	return w.note(string(w.path), n)
}

// leave passes over the rest of an object or array that has begun.
func (w *walk) leave() error {
	for depth := 1; depth > 0; {
		t, err := w.r.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case body.Object, body.Array:
			depth++
		case body.EndOfObject, body.EndOfArray:
			depth--
		}
	}
	return nil
}
