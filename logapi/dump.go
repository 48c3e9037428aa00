package logapi

// The lines of an export, which docs/logapi-store.md describes:
//
//	{"podbeat_export":{"version":1,"time":…,"index_templates":[…],…}}           first, once
//	{"podbeat_index":{"index":…,"aliases":{…},"mappings":{…},"settings":{…}}}   before the documents of each index
//	{"create":{"_index":…,"_id":…}}                                             each document, as _bulk takes it
//	{…}
//	{"podbeat_end":{"indices":…,"documents":…}}                                 last: without it the file was cut off
//
// A file that is imported is somebody else's: of each line no more than maxLine is in memory, and what a line means is checked here before it
// becomes part of a request.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/es/body"
)

// maxLine is the longest line that is imported. Elasticsearch takes requests of 100 MiB at most.
const maxLine = 64 << 20

// exportVersion is that of the lines.
const exportVersion = 1

type exportHead struct {
	Version    int             `json:"version"`
	Time       time.Time       `json:"time"`
	Index      []namedTemplate `json:"index_templates,omitempty"`
	Components []namedTemplate `json:"component_templates,omitempty"`
	Legacy     []namedTemplate `json:"templates,omitempty"`
}

// A namedTemplate is a template as it is put.
type namedTemplate struct {
	Name string          `json:"name"`
	Body json.RawMessage `json:"body"`
}

type indexHead struct {
	Index    string          `json:"index"`
	Aliases  json.RawMessage `json:"aliases,omitempty"`
	Mappings json.RawMessage `json:"mappings,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

type exportEnd struct {
	Indices   int   `json:"indices"`
	Documents int64 `json:"documents"`
}

// An item is what one line, or the two of a document, say. One of its parts is given.
type item struct {
	line   int64 // from 1; of a document that of its source
	start  *exportHead
	head   *indexHead
	end    *exportEnd
	action action
	source []byte // of a document; valid until the next item is read
}

// An action says where a document belongs; "" is not said.
type action struct{ index, id, routing string }

// A lineError is what is wrong with one line. What comes after it can be read.
type lineError struct {
	line int64
	why  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.why) }

func (e *lineError) Unwrap() error { return e.why }

// A dumpReader reads an export, lines for _bulk, or documents alone.
type dumpReader struct {
	from   *bufio.Reader
	form   string // bulkForm or documentsForm; "" is found out by the first line
	line   int64
	buffer []byte
	bytes  int64 // that were read
}

// Forms of lines.
const (
	fullForm      = "export"    // all of the above
	bulkForm      = "bulk"      // only what _bulk takes
	documentsForm = "documents" // only documents
)

func newDumpReader(from io.Reader, form string) *dumpReader {
	if form == fullForm {
		form = bulkForm // reading makes no difference
	}
	return &dumpReader{from: bufio.NewReaderSize(from, 256<<10), form: form}
}

var (
	errLong    = fmt.Errorf("it has more than %d MiB", maxLine>>20)
	errMissing = errors.New("the document is missing: the file was cut off here")
)

// next reads an item. The error is a *lineError where it can go on, io.EOF at the end.
func (d *dumpReader) next() (item, error) {
	line, err := d.filled()
	if err != nil {
		return item{}, err
	}
	if d.form == "" {
		d.form = documentsForm
		if _, err := readAction(line); err == nil || bytes.HasPrefix(line, []byte(`{"podbeat_`)) {
			d.form = bulkForm
		}
	}
	it := item{line: d.line}
	if d.form == documentsForm {
		it.source, err = line, checkDocument(line)
	} else if bytes.HasPrefix(line, []byte(`{"podbeat_`)) {
		err = it.readHead(line)
	} else if it.action, err = readAction(line); err == nil {
		return d.document(it)
	}
	if err != nil {
		return it, &lineError{d.line, err}
	}
	return it, nil
}

// document reads the line after an action.
func (d *dumpReader) document(it item) (item, error) {
	var err error
	it.source, err = d.read()
	it.line = d.line
	switch {
	case errors.Is(err, io.EOF):
		return it, &lineError{d.line, errMissing}
	case errors.As(err, new(*lineError)):
		return it, err
	case err != nil:
		return it, err
	}
	if err := checkDocument(it.source); err != nil {
		return it, &lineError{d.line, err}
	}
	return it, nil
}

// filled reads a line that is not blank.
func (d *dumpReader) filled() ([]byte, error) {
	for {
		line, err := d.read()
		if err != nil || len(line) > 0 {
			return line, err
		}
	}
}

// read reads a line, without blanks around it. The rest of one that is too long is passed over.
func (d *dumpReader) read() ([]byte, error) {
	d.buffer = d.buffer[:0]
	long := false
	for {
		part, err := d.from.ReadSlice('\n')
		d.bytes += int64(len(part))
		if long = long || len(d.buffer)+len(part) > maxLine; !long {
			d.buffer = append(d.buffer, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(d.buffer) == 0 && !long:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("cannot read line %d: %w", d.line+1, err)
		}
		if d.line++; long {
			return nil, &lineError{d.line, errLong}
		}
		text := d.buffer
		if d.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		return bytes.Trim(text, " \t\r\n"), nil
	}
}

// checkDocument says why a line is no document. The server looks at it again; but what is no JSON object would not reach it in one piece.
func checkDocument(line []byte) error {
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return errors.New("want a document: a JSON object on one line")
	}
	return nil
}

// readHead reads a line of our own.
func (it *item) readHead(line []byte) error {
	var said map[string]json.RawMessage
	if _, err := body.Parse(line); err != nil { // which refuses what two readers could understand differently
		return err
	}
	if err := json.Unmarshal(line, &said); err != nil || len(said) != 1 {
		return errors.New("want one member and nothing beside it")
	}
	var err error
	switch {
	case said["podbeat_export"] != nil:
		it.start = new(exportHead)
		if err = strictly(said["podbeat_export"], it.start); err == nil && it.start.Version != exportVersion {
			err = fmt.Errorf("the export has version %d, and this program reads %d", it.start.Version, exportVersion)
		}
	case said["podbeat_index"] != nil:
		it.head = new(indexHead)
		err = strictly(said["podbeat_index"], it.head)
	case said["podbeat_end"] != nil:
		it.end = new(exportEnd)
		err = strictly(said["podbeat_end"], it.end)
	default:
		err = errors.New("want podbeat_export, podbeat_index or podbeat_end")
	}
	return err
}

func strictly(text json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// readAction reads a line of _bulk that says what is to be done with the document behind it.
func readAction(line []byte) (a action, err error) {
	v, err := body.Parse(line)
	if err != nil {
		return a, err
	}
	if v.Kind != body.Object || len(v.Members) != 1 || v.Members[0].Value.Kind != body.Object {
		return a, errors.New(`want {"create":{"_index":…,"_id":…}} before a document`)
	}
	switch name := v.Members[0].Name; name {
	case "create", "index":
	default:
		return a, fmt.Errorf("cannot import %q: want create or index", clipped(name))
	}
	for _, m := range v.Members[0].Value.Members {
		if m.Name != "_type" && m.Value.Kind != body.String && m.Value.Kind != body.Number {
			return a, fmt.Errorf("%q is no text", clipped(m.Name))
		}
		switch m.Name {
		case "_index":
			a.index = m.Value.Text
		case "_id":
			a.id = m.Value.Text
		case "routing", "_routing":
			a.routing = m.Value.Text
		case "_type": // of Elasticsearch before 8, where it says nothing any more
		default:
			return a, fmt.Errorf("cannot import %q of an action: want _index, _id and routing", clipped(m.Name))
		}
	}
	return a, nil
}

// appendAction writes the line before a document.
func appendAction(to []byte, a action) []byte {
	to = append(to, `{"create":{"_index":`...)
	to = body.AppendString(to, a.index)
	if a.id != "" {
		to = body.AppendString(append(to, `,"_id":`...), a.id)
	}
	if a.routing != "" {
		to = body.AppendString(append(to, `,"routing":`...), a.routing)
	}
	return append(to, "}}\n"...)
}

// checkIndexName says why a name cannot be an index's: it becomes part of paths, where others mean several indices, or another request.
func checkIndexName(name string) error {
	switch {
	case name == "":
		return errors.New("no index is named: give one with --index")
	case len(name) > 255, name == ".", name == "..", strings.ContainsAny(name[:1], "-_+"), strings.ToLower(name) != name,
		strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune(`\/*?"<>| ,#:%`, r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("%q is no name of an index", clipped(name))
	}
	return nil
}

func clipped(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// ownSettings are those that an index gets when it is made, or that are about the cluster where it was.
var ownSettings = []string{"uuid", "creation_date", "creation_date_string", "version", "provided_name", "history", "history_uuid", "routing", "resize", "blocks",
	"verified_before_close", "frozen", "store", "shard", "routing_path"}

// keptSettings are the settings of an index without those that only hold for it.
func keptSettings(text json.RawMessage) (json.RawMessage, error) {
	var settings struct {
		Index map[string]json.RawMessage `json:"index"`
	}
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, err
	}
	for name := range settings.Index {
		if slices.Contains(ownSettings, name) {
			delete(settings.Index, name)
		}
	}
	return json.Marshal(settings)
}
