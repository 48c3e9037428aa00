package logapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
)

const (
	batchBytes  = 5 << 20 // about how much is sent at once
	batchDocs   = 5000
	shownErrors = 100             // lines that are said to be wrong one by one
	rounds      = 6               // how often what a server has no room for is sent
	firstWait   = time.Second     // between two of them, then twice as long each time
	sendTimeout = 2 * time.Minute // of one request
	maxWindow   = 128 << 20       // of zstd
)

// An importer adds documents to indices, by the API of Elasticsearch. What is there already under its id is left as it is, so that an
// import that was interrupted can be done again.
type importer struct {
	client *es.Client // nil: only look at the lines
	index  string     // where all documents go; "" is where they say
	hidden bool       // also into indices whose names begin with a dot
	bar    *cli.Progress
	read   func() int64 // how much of size was read
	size   int64        // of the file; 0 is not known

	batch   []pending
	body    []byte
	ready   map[string]error // indices that were looked at
	started bool             // there was a first line of an export, and no last one yet
	docs    int64            // since then

	added, there, failed int64
}

// A pending document is one that is being sent: where it is in the importer's body.
type pending struct {
	line     int64
	from, to int
}

func newImportCommand(s *storeCommand) *cobra.Command {
	var form string
	var dryRun bool
	m := importer{ready: map[string]error{}}
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Add documents from lines of JSON, with the mappings they were exported with",
		Long: `Import adds documents from what "logapi store export" has written, from lines for _bulk, or from documents alone, one a line; packed with
gzip or zstd or not. Indices that are missing are made, with the mappings, settings and aliases of the export; those that are there must fit.

What is there under its id already is left and counted, so an import can be repeated until all is there. Documents alone have no ids: repeated,
they are there twice. A line that is wrong is said with its number, and the exit code is 1; the others are imported.

Only with --hidden are indices touched whose names begin with a dot: in .podbeat-system are policies that delete.`,
		Example: `  logapi store import logs.ndjson.zst
  zcat app.log.json.gz | logapi store import --index app-2026.11.21 -
  logapi store import --url http://127.0.0.1:9200 logs.ndjson.zst
  logapi store import --dry-run logs.ndjson.zst               is anything wrong with the file?`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if form != "" && form != fullForm && form != bulkForm && form != documentsForm {
				return cli.Usage("unknown --form %q: want export, bulk or documents", form)
			}
			if cmd.Flags().Changed("index") {
				if err := checkIndexName(m.index); err != nil {
					return cli.Usage("%w", err)
				}
			}
			in, err := m.open(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if !dryRun {
				c, done, err := s.connect(cmd, true)
				if err != nil {
					return err
				}
				defer done()
				m.client = c.With(sendTimeout)
			}
			m.bar = newProgress(cmd)
			defer m.bar.End()
			return m.run(cmd, newDumpReader(in, form))
		},
		ValidArgsFunction: cobra.FixedCompletions([]string{"ndjson", "json", "gz", "zst"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	flags := cmd.Flags()
	flags.StringVar(&m.index, "index", "", "the index `name` for all documents, whatever they say")
	flags.StringVar(&form, "form", "", "`form` of the lines: export, bulk or documents (default as the first line looks)")
	flags.BoolVar(&m.hidden, "hidden", false, "also into indices whose names begin with a dot")
	flags.BoolVar(&dryRun, "dry-run", false, "only read the file and say what is wrong with it")
	_ = cmd.RegisterFlagCompletionFunc("form", cobra.FixedCompletions([]string{fullForm, bulkForm, documentsForm}, cobra.ShellCompDirectiveNoFileComp))
	s.flags(cmd)
	return cmd
}

// open opens the file, or standard input, and unpacks it.
func (m *importer) open(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	var raw io.Reader = cmd.InOrStdin()
	closer := func() error { return nil }
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot import: %w", err)
		}
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			m.size = st.Size()
		}
		raw, closer = f, f.Close
	}
	counted := &counting{Reader: raw}
	m.read = func() int64 { return counted.n }
	unpacked, err := unpacker(bufio.NewReaderSize(counted, 256<<10))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot import %q: %w", name, err), closer())
	}
	return readCloser{unpacked, closer}, nil
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

// A counting reader counts what is read.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// unpacker unpacks what begins as gzip or zstd does.
func unpacker(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	}
	return r, nil
}

// run imports all lines.
func (m *importer) run(cmd *cobra.Command, d *dumpReader) error {
	ctx := cmd.Context()
	err := m.lines(ctx, d)
	m.bar.End()
	if err == nil && m.started {
		err = errors.New("the export was cut off: its last line is missing, and what it would have had before it")
	}
	word := "imported"
	if m.client == nil {
		word = "could import"
	}
	if _, printed := fmt.Fprintf(cmd.OutOrStdout(), "%s %d documents; %d were there already, %d failed\n", word, m.added, m.there, m.failed); err == nil {
		err = printed
	}
	switch {
	case err != nil:
		return fmt.Errorf("the import ended at line %d: %w", d.line, err)
	case m.failed > 0:
		return fmt.Errorf("%d lines could not be imported", m.failed)
	}
	return nil
}

// lines imports one line after the other. A line that is wrong is said, and not an error.
func (m *importer) lines(ctx context.Context, d *dumpReader) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		it, err := d.next()
		var wrong *lineError
		switch {
		case errors.Is(err, io.EOF):
			return m.flush(ctx)
		case errors.As(err, &wrong):
			m.wrong(wrong.line, wrong.why)
			continue
		case err != nil:
			return errors.Join(err, m.flush(ctx)) // what was read before is not at fault
		case it.source == nil:
			err = m.told(ctx, it)
		default:
			err = m.add(ctx, it)
		}
		if err != nil {
			return err
		}
		m.bar.Step("import, bytes read", m.read(), m.size)
	}
}

// wrong says that a line is not imported.
func (m *importer) wrong(line int64, why error) {
	if m.failed++; m.failed <= shownErrors {
		m.bar.Note("line %d: %v", line, why)
	} else if m.failed == shownErrors+1 {
		m.bar.Note("there are more lines that cannot be imported")
	}
}

// told does what a line of our own says.
func (m *importer) told(ctx context.Context, it item) error {
	if err := m.flush(ctx); err != nil {
		return err
	}
	switch {
	case it.start != nil:
		if m.started {
			m.wrong(it.line, errors.New("the export before this one was cut off: its last line is missing"))
		}
		m.started, m.docs = true, 0
		return m.templates(ctx, it.start)
	case it.end != nil:
		if it.end.Documents != m.docs {
			m.wrong(it.line, fmt.Errorf("the export had %d documents, and there were %d", it.end.Documents, m.docs))
		}
		m.started = false
		return nil
	}
	return m.prepare(ctx, it)
}

// templates puts those of an export. One that is there stays.
func (m *importer) templates(ctx context.Context, head *exportHead) error {
	for _, kind := range []struct {
		path string
		list []namedTemplate
	}{{"_component_template", head.Components}, {"_index_template", head.Index}, {"_template", head.Legacy}} {
		for _, t := range kind.list {
			if err := checkIndexName(t.Name); err != nil && strings.ToLower(t.Name) == t.Name {
				return fmt.Errorf("cannot put a template: %w", err)
			}
			if m.client == nil {
				continue
			}
			err := m.client.Do(ctx, http.MethodPut, es.Path(kind.path, t.Name), url.Values{"create": {"true"}}, []byte(t.Body), nil)
			if es.Status(err) == http.StatusBadRequest && strings.Contains(err.Error(), "already exists") {
				m.bar.Note("the template %s is there already and stays", t.Name)
				err = nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// allowed says why documents may not go into an index.
func (m *importer) allowed(name string) error {
	err := checkIndexName(name)
	if err == nil && name[0] == '.' && !m.hidden && m.index == "" {
		err = fmt.Errorf("the index %s is left alone: --hidden imports into it", name)
	}
	return err
}

// prepare makes an index as it was exported, or has the one that is there take its mapping.
func (m *importer) prepare(ctx context.Context, it item) error {
	head := *it.head
	if err := checkIndexName(head.Index); err != nil {
		m.wrong(it.line, err)
		return nil
	}
	if m.index != "" {
		head.Index, head.Aliases = m.index, nil
	}
	if err := m.allowed(head.Index); err != nil || m.client == nil {
		return nil // each of its documents is said
	}
	mappings := head.Mappings
	create, err := json.Marshal(struct {
		Aliases  json.RawMessage `json:"aliases,omitempty"`
		Mappings json.RawMessage `json:"mappings,omitempty"`
		Settings json.RawMessage `json:"settings,omitempty"`
	}{head.Aliases, mappings, head.Settings})
	if err != nil {
		return fmt.Errorf("cannot make index %s: %w", head.Index, err)
	}
	err = m.client.Do(ctx, http.MethodPut, es.Path(head.Index), nil, create, nil)
	if es.Type(err) == "resource_already_exists_exception" {
		err = nil
		if len(mappings) > 0 {
			err = m.client.Do(ctx, http.MethodPut, es.Path(head.Index, "_mapping"), nil, []byte(mappings), nil)
		}
		if es.Status(err) == http.StatusBadRequest {
			err = fmt.Errorf("the index %s is there with other types; import into another one with --index: %w", head.Index, err)
		}
	}
	return err
}

// add takes a document into the batch.
func (m *importer) add(ctx context.Context, it item) error {
	m.docs++
	if m.index != "" {
		it.action.index = m.index
	}
	name := it.action.index
	why, known := m.ready[name]
	if !known {
		if why = m.allowed(name); len(m.ready) < 100_000 {
			m.ready[name] = why
		}
	}
	if why != nil {
		m.wrong(it.line, why)
		return nil
	}
	if m.client == nil {
		m.added++
		return nil
	}
	if len(m.batch) >= batchDocs || len(m.batch) > 0 && len(m.body)+len(it.source) > batchBytes {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	from := len(m.body)
	m.body = appendAction(m.body, it.action)
	m.body = append(append(m.body, it.source...), '\n')
	m.batch = append(m.batch, pending{it.line, from, len(m.body)})
	return nil
}

// flush sends the batch. What the server has no room for is sent again for a while.
func (m *importer) flush(ctx context.Context) error {
	again, err := m.send(ctx, m.batch)
	for i, wait := 1, firstWait; err == nil && len(again) > 0; i, wait = i+1, 2*wait {
		if i == rounds {
			return errNoRoom
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		again, err = m.send(ctx, again)
	}
	m.batch = m.batch[:0]
	if m.body = m.body[:0]; cap(m.body) > 4*batchBytes {
		m.body = nil // a single document of this size
	}
	return err
}

var errNoRoom = errors.New("the server takes no more (429), perhaps as its disk is full; import the file again when it does: what is there is left as it is")

// send sends documents, and returns those that may be sent again later.
func (m *importer) send(ctx context.Context, docs []pending) (again []pending, err error) {
	if len(docs) == 0 {
		return nil, nil
	}
	var text []byte
	if last := docs[len(docs)-1]; last.to-docs[0].from == sum(docs) { // one after the other
		text = m.body[docs[0].from:last.to]
	} else {
		for _, p := range docs {
			text = append(text, m.body[p.from:p.to]...)
		}
	}
	var said struct {
		Items []map[string]struct {
			Status int `json:"status"`
			Error  struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
				Cause  struct {
					Reason string `json:"reason"`
				} `json:"caused_by"`
			} `json:"error"`
		} `json:"items"`
	}
	err = m.client.Do(ctx, http.MethodPost, "/_bulk", url.Values{"filter_path": {"items.*.status,items.*.error"}}, text, &said)
	switch es.Status(err) {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return m.halve(ctx, docs, err)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return docs, nil
	}
	if err != nil {
		return nil, err
	}
	if len(said.Items) != len(docs) {
		return nil, fmt.Errorf("the server answered to %d documents of %d", len(said.Items), len(docs))
	}
	for i, one := range said.Items {
		for _, result := range one {
			switch {
			case result.Status < 300:
				m.added++
			case result.Status == http.StatusConflict:
				m.there++
			case result.Status == http.StatusTooManyRequests, result.Status == http.StatusServiceUnavailable:
				again = append(again, docs[i])
			default:
				text := result.Error.Type + ": " + result.Error.Reason
				if cause := result.Error.Cause.Reason; cause != "" {
					text += ": " + cause
				}
				m.wrong(docs[i].line, errors.New(clipped(text)))
			}
		}
	}
	return again, nil
}

// halve finds the document for which a whole request was refused.
func (m *importer) halve(ctx context.Context, docs []pending, refused error) (again []pending, err error) {
	if len(docs) == 1 {
		m.wrong(docs[0].line, refused)
		return nil, nil
	}
	for _, half := range [][]pending{docs[:len(docs)/2], docs[len(docs)/2:]} {
		more, err := m.send(ctx, half)
		if again = append(again, more...); err != nil {
			return again, err
		}
	}
	return again, nil
}

func sum(docs []pending) (n int) {
	for _, p := range docs {
		n += p.to - p.from
	}
	return n
}
