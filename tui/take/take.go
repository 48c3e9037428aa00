// Package take takes log lines away from the screen: to files, the clipboard, an editor, a pager, another program, Kibana.
//
// What is taken is what was stored, byte for byte: nothing is made harmless for a terminal here (text.Clean does that).
package take

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// A Format is how lines are written down.
type Format uint8

// Formats. Those of whole documents do not look at columns.
const (
	Message  Format = iota // the columns' values with spaces between them, a line each; of one column its value as it is
	NDJSON                 // whole documents, one on each line
	JSON                   // whole documents, an array, indented
	Raw                    // whole documents as the server gave them
	CSV                    // RFC 4180, with a header; values that a spreadsheet may take for formulas are left as they are
	TSV                    // with a header; tabs, line ends and backslashes in values as \t, \n, \r and \\
	Markdown               // a table
)

var formats = []string{"message", "ndjson", "json", "raw", "csv", "tsv", "markdown"}

// String is the format's name.
func (f Format) String() string { return formats[f] }

// Whole says whether the format is one of whole documents.
func (f Format) Whole() bool { return f == NDJSON || f == JSON || f == Raw }

// ParseFormat is the format of a name.
func ParseFormat(name string) (Format, error) {
	if i := slices.Index(formats, strings.ToLower(name)); i >= 0 {
		return Format(i), nil
	}
	return 0, fmt.Errorf("unknown format %.40q: known are %s", name, strings.Join(formats, ", "))
}

// FormatOf is the format that a file's name ends in; otherwise is that of other names.
func FormatOf(path string, otherwise Format) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".ndjson", ".jsonl":
		return NDJSON
	case ".json":
		return JSON
	case ".csv":
		return CSV
	case ".tsv", ".tab":
		return TSV
	case ".md", ".markdown":
		return Markdown
	case ".txt", ".log":
		return Message
	}
	return otherwise
}

// Lines writes rows in a format. Columns are paths of fields; _index and _id are the document's own.
func Lines(format Format, columns []string, rows []*source.Row) ([]byte, error) {
	var b bytes.Buffer
	w := NewWriter(&b, format, columns)
	if err := w.Write(rows); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

// A Writer writes rows in a format as they come.
type Writer struct {
	to      io.Writer
	format  Format
	columns []string
	rows    int64
	header  bool         // it is written
	values  []string     // of the row that is being written
	line    bytes.Buffer // likewise
}

// NewWriter returns a writer to w, which should be buffered.
func NewWriter(w io.Writer, format Format, columns []string) *Writer {
	return &Writer{to: w, format: format, columns: columns, values: make([]string, len(columns))}
}

// Write writes rows. It does not keep them.
func (w *Writer) Write(rows []*source.Row) error {
	for _, row := range rows {
		w.line.Reset()
		w.begin()
		if err := w.add(row); err != nil {
			return fmt.Errorf("cannot write document %q of %s as %s: %w", row.ID, row.Index, w.format, err)
		}
		w.rows++
		if _, err := w.to.Write(w.line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Close writes what ends the format. It does not close what is written to.
func (w *Writer) Close() error {
	w.line.Reset()
	w.begin()
	switch {
	case w.format == JSON && w.rows > 0:
		w.line.WriteString("\n]\n")
	case w.format == JSON:
		w.line.WriteString("[]\n")
	}
	_, err := w.to.Write(w.line.Bytes())
	return err
}

// Rows is how many were written.
func (w *Writer) Rows() int64 { return w.rows }

// begin writes the header, once.
func (w *Writer) begin() {
	if w.header {
		return
	}
	w.header = true
	switch w.format {
	case CSV, TSV, Markdown:
		w.record(w.columns)
	}
	if w.format == Markdown {
		w.line.WriteString("|" + strings.Repeat(" --- |", len(w.columns)) + "\n")
	}
}

func (w *Writer) add(row *source.Row) error {
	switch w.format {
	case Raw:
		w.line.Write(row.Source)
		w.line.WriteByte('\n')
		return nil
	case NDJSON:
		err := json.Compact(&w.line, row.Source)
		w.line.WriteByte('\n')
		return err
	case JSON:
		between := ",\n  "
		if w.rows == 0 {
			between = "[\n  "
		}
		w.line.WriteString(between)
		return json.Indent(&w.line, row.Source, "  ", "  ")
	}
	for i, column := range w.columns {
		w.values[i] = Value(row, column)
	}
	w.record(w.values)
	return nil
}

// record writes values as one line of the format.
func (w *Writer) record(values []string) {
	switch w.format {
	case CSV:
		for i, v := range values {
			if i > 0 {
				w.line.WriteByte(',')
			}
			if strings.ContainsAny(v, ",\"\r\n") || v == "" && len(values) == 1 { // an empty line is no record to many readers
				v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			w.line.WriteString(v)
		}
		w.line.WriteString("\r\n")
	case TSV:
		for i, v := range values {
			if i > 0 {
				w.line.WriteByte('\t')
			}
			tsv.WriteString(&w.line, v)
		}
		w.line.WriteByte('\n')
	case Markdown:
		w.line.WriteByte('|')
		for _, v := range values {
			w.line.WriteByte(' ')
			markdown.WriteString(&w.line, v)
			w.line.WriteString(" |")
		}
		w.line.WriteByte('\n')
	default:
		for i, v := range values {
			if i > 0 && v != "" && w.line.Len() > 0 {
				w.line.WriteByte(' ')
			}
			w.line.WriteString(v)
		}
		w.line.WriteByte('\n')
	}
}

var (
	tsv = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

	// A cell's text means nothing to who shows the table: no link, no emphasis, no tag.
	markdown = strings.NewReplacer("|", `\|`, "\\", `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "!", `\!`, "~", `\~`,
		"<", "&lt;", ">", "&gt;", "&", "&amp;", "\r\n", "<br>", "\n", "<br>", "\r", "<br>")
)

// Value is the text of a row's column: of a field, or of _index and _id; "" if there is none.
func Value(row *source.Row, column string) string {
	switch column {
	case "_index":
		return row.Index
	case "_id":
		return row.ID
	}
	v, _ := text.Get(row.Source, column)
	return v
}
