package logapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
)

// pageBytes is about how much of a search's answer is asked for at once, and pageDocs how many documents at most.
const (
	pageBytes = 8 << 20
	pageDocs  = 10_000
	keepOpen  = "10m" // how long a point in time may wait for whoever reads the export
)

// An exporter writes what is in indices, by the API of Elasticsearch, in a form that an importer reads.
type exporter struct {
	client *es.Client
	out    *bufio.Writer
	form   string
	query  map[string]any // nil: all documents
	hidden bool
	bar    *cli.Progress

	indices          int
	documents, total int64
	size             int // of the next page
}

func newExportCommand(s *storeCommand) *cobra.Command {
	var since, until, query, output string
	var force bool
	x := exporter{form: fullForm}
	cmd := &cobra.Command{
		Use:   "export [INDEX...]",
		Short: "Write documents as lines of JSON, with their mappings and templates",
		Long: `Export writes the documents of indices as lines of JSON, byte for byte as they were sent, with what is needed to have the indices again: mappings,
settings, aliases, and templates if no INDEX is named. "logapi store import" reads it, from this store or from Elasticsearch.

INDEX is a name, an alias, or a pattern with *; without one it is all indices that are open and not hidden. Closed ones are left out, which is said.

With --form bulk there are only the lines that _bulk takes, with --form documents only the documents.

A logapi that runs holds the store: name its address with --url then. The same exports from any Elasticsearch from 7.12 on.`,
		Example: `  logapi store export -o logs.ndjson.zst
  logapi store export 'logs-*' --since 7d --query 'level:ERROR' --form documents | jq -r .message
  logapi store export --url http://127.0.0.1:9200 --since 2026-11-01 --until 2026-11-21 -o november.ndjson.gz
  logapi store export --url http://127.0.0.1:9200 --form bulk logs-1 | curl -H 'Content-Type: application/x-ndjson' --data-binary @- http://es:9200/_bulk`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if x.form != fullForm && x.form != bulkForm && x.form != documentsForm {
				return cli.Usage("unknown --form %q: want export, bulk or documents", x.form)
			}
			var err error
			if x.query, err = exportQuery(since, until, query); err != nil {
				return err
			}
			c, done, err := s.connect(cmd, false)
			if err != nil {
				return err
			}
			defer done()
			x.client, x.bar = c, newProgress(cmd)
			defer x.bar.End()
			err = x.to(cmd, output, force, args)
			if err != nil && cmd.Context().Err() != nil {
				return errors.New("the export was interrupted: it is not whole")
			}
			return err
		},
		ValidArgsFunction: s.completeIndices,
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "-", "`FILE` to write, packed if it ends in .gz or .zst; - is standard output")
	flags.BoolVar(&force, "force", false, "replace FILE if it is there")
	flags.StringVar(&x.form, "form", fullForm, "`form` of the lines: export, bulk or documents")
	flags.StringVar(&since, "since", "", "only documents from this `time` on: a date, or an age such as 90m, 24h or 7d")
	flags.StringVar(&until, "until", "", "only documents before this `time`")
	flags.StringVar(&query, "query", "", "only documents that match: `text` as for query_string (level:ERROR AND shop), or a query as JSON")
	flags.BoolVar(&x.hidden, "hidden", false, "with patterns, hidden indices too")
	_ = cmd.RegisterFlagCompletionFunc("form", cobra.FixedCompletions([]string{fullForm, bulkForm, documentsForm}, cobra.ShellCompDirectiveNoFileComp))
	s.flags(cmd)
	return cmd
}

var age = regexp.MustCompile(`^[1-9][0-9]*[smhdwMy]$`)

// exportQuery is the query for what is asked for; nil for everything.
func exportQuery(since, until, text string) (map[string]any, error) {
	var filters []any
	when := map[string]any{}
	for _, bound := range []struct{ name, text string }{{"gte", since}, {"lt", until}} {
		switch {
		case bound.text == "":
		case age.MatchString(bound.text):
			when[bound.name] = "now-" + bound.text
		default:
			when[bound.name] = bound.text
		}
	}
	if len(when) > 0 {
		filters = append(filters, map[string]any{"range": map[string]any{"@timestamp": when}})
	}
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		var q map[string]any
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			return nil, cli.Usage("cannot read --query as JSON: %w", err)
		}
		filters = append(filters, json.RawMessage(text))
	case text != "":
		filters = append(filters, map[string]any{"query_string": map[string]any{"query": text}})
	}
	if filters == nil {
		return nil, nil
	}
	return map[string]any{"bool": map[string]any{"filter": filters}}, nil
}

// to writes to a file, which is there when all of it is, or to standard output.
func (x *exporter) to(cmd *cobra.Command, output string, force bool, indices []string) error {
	if output == "-" {
		x.out = bufio.NewWriterSize(cmd.OutOrStdout(), 256<<10)
		err := x.run(cmd.Context(), indices)
		return errors.Join(err, x.out.Flush()) // what was written goes out in either case; its end says whether it is all
	}
	f, finish, err := outputFile(output, force)
	if err != nil {
		return fmt.Errorf("cannot export to %q: %w", output, err)
	}
	defer os.Remove(f.Name()) // which is there no more if all went well
	defer f.Close()
	packed, err := packer(f, output)
	if err == nil {
		x.out = bufio.NewWriterSize(packed, 256<<10)
		if err = x.run(cmd.Context(), indices); err != nil {
			return err
		}
		err = errors.Join(x.out.Flush(), packed.Close(), f.Sync(), f.Close())
	}
	if err == nil {
		err = finish()
	}
	if err != nil {
		return fmt.Errorf("cannot export to %q: %w", output, err)
	}
	x.bar.Note("exported %d documents of %d indices to %s", x.documents, x.indices, output)
	return nil
}

// outputFile makes a file beside the one that is to be, for its owner alone; finish gives it its name.
func outputFile(name string, force bool) (f *os.File, finish func() error, err error) {
	if st, err := os.Stat(name); err == nil {
		switch {
		case !st.Mode().IsRegular():
			return nil, nil, errors.New("it is there and no regular file; - is standard output")
		case !force:
			return nil, nil, errors.New("it is there already; --force replaces it")
		}
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return nil, nil, err
		}
	}
	if f, err = os.CreateTemp(filepath.Dir(name), ".export-*"); err != nil {
		return nil, nil, err
	}
	return f, func() error { return os.Rename(f.Name(), name) }, nil
}

// packer packs what is written to w as the name of the file says.
func packer(w io.Writer, name string) (io.WriteCloser, error) {
	switch filepath.Ext(name) {
	case ".gz":
		return gzip.NewWriter(w), nil
	case ".zst":
		return zstd.NewWriter(w)
	}
	return plainWriter{w}, nil
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// run exports the indices that are named, or all.
func (x *exporter) run(ctx context.Context, named []string) error {
	names, err := x.names(ctx, named)
	if err != nil {
		return err
	}
	if err := x.count(ctx, names); err != nil {
		return err
	}
	if x.form == fullForm {
		head := exportHead{Version: exportVersion, Time: time.Now().UTC().Truncate(time.Second)}
		if len(named) == 0 {
			if err := x.templates(ctx, &head); err != nil {
				return err
			}
		}
		if err := x.line("podbeat_export", head); err != nil {
			return err
		}
	}
	for _, name := range names {
		err := x.index(ctx, name)
		if es.Type(err) == "index_not_found_exception" { // deleted meanwhile, by retention perhaps
			x.bar.Note("%s is gone: left out", name)
			continue
		}
		if err != nil {
			return err
		}
		x.indices++
	}
	if x.form == fullForm {
		return x.line("podbeat_end", exportEnd{x.indices, x.documents})
	}
	return nil
}

// line writes a line of our own.
func (x *exporter) line(name string, v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{name: v}); err != nil {
		return fmt.Errorf("cannot export: %w", err)
	}
	_, err := x.out.Write(text.Bytes())
	return err
}

// names are those of the indices to export, sorted.
func (x *exporter) names(ctx context.Context, named []string) ([]string, error) {
	expression := strings.Join(named, ",")
	if expression == "" {
		expression = "*"
	}
	states := "open"
	if x.hidden {
		states += ",hidden"
	}
	// Of one field that is a short answer, and one that logapi's own API gives, too.
	found := map[string]json.RawMessage{}
	err := x.client.Do(ctx, http.MethodGet, es.Path(expression, "_mapping", "field", "@timestamp"), url.Values{"expand_wildcards": {states}}, nil, &found)
	if err != nil && (es.Status(err) != http.StatusNotFound || es.Type(err) != "") { // which it is of no index
		return nil, err
	}
	open := slices.Sorted(maps.Keys(found))
	var rows []struct{ Index, Status string }
	q := url.Values{"expand_wildcards": {states + ",closed"}, "format": {"json"}, "h": {"index,status"}, "s": {"index"}}
	if err := x.client.Do(ctx, http.MethodGet, es.Path("_cat", "indices", expression), q, nil, &rows); unlessRefused(err) != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Status == "close" {
			x.bar.Note("%s is closed: left out; open it to have it exported", row.Index)
		}
	}
	if len(open) == 0 && len(named) > 0 {
		return nil, fmt.Errorf("cannot export %s: there is no such index that is open", strings.Join(named, " "))
	}
	return open, nil
}

// count finds out how much there is to export.
func (x *exporter) count(ctx context.Context, names []string) error {
	for _, some := range es.Chunks(names, 2000) {
		var counted struct{ Count int64 }
		var query any
		if x.query != nil {
			query = map[string]any{"query": x.query}
		}
		err := x.client.Do(ctx, http.MethodPost, es.Path(strings.Join(some, ","), "_count"), url.Values{"ignore_unavailable": {"true"}}, query, &counted)
		if err != nil {
			return err
		}
		x.total += counted.Count
	}
	return nil
}

// templates adds all templates to head but those that Elasticsearch brings along.
func (x *exporter) templates(ctx context.Context, head *exportHead) error {
	get := func(path, member, body string, to *[]namedTemplate) error {
		var found map[string][]map[string]json.RawMessage
		if err := x.client.Do(ctx, http.MethodGet, path, nil, nil, &found); err != nil {
			return unlessRefused(err)
		}
		for _, t := range found[member] {
			var name string
			var said struct {
				Meta struct {
					Managed bool `json:"managed"`
				} `json:"_meta"`
			}
			if json.Unmarshal(t["name"], &name) != nil || json.Unmarshal(t[body], &said) != nil || said.Meta.Managed || strings.HasPrefix(name, ".") {
				continue
			}
			*to = append(*to, namedTemplate{name, t[body]})
		}
		return nil
	}
	if err := get("/_component_template", "component_templates", "component_template", &head.Components); err != nil {
		return err
	}
	if err := get("/_index_template", "index_templates", "index_template", &head.Index); err != nil {
		return err
	}
	legacy := map[string]json.RawMessage{}
	if err := x.client.Do(ctx, http.MethodGet, "/_template", nil, nil, &legacy); err != nil {
		return unlessRefused(err)
	}
	for name, body := range legacy {
		if !strings.HasPrefix(name, ".") {
			head.Legacy = append(head.Legacy, namedTemplate{name, body})
		}
	}
	slices.SortFunc(head.Legacy, func(a, b namedTemplate) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// unlessRefused is err, but nil where a server has no templates, or does not let its users see them.
func unlessRefused(err error) error {
	if status := es.Status(err); status == http.StatusNotFound || status == http.StatusForbidden {
		return nil
	}
	return err
}

// head says what is needed to make an index again; of one that may only be searched that is its mapping.
func (x *exporter) head(ctx context.Context, name string) (indexHead, error) {
	var of map[string]indexHead
	err := x.client.Do(ctx, http.MethodGet, es.Path(name), nil, nil, &of)
	if es.Status(err) == http.StatusForbidden {
		err = x.client.Do(ctx, http.MethodGet, es.Path(name, "_mapping"), nil, nil, &of)
	}
	if err != nil {
		return indexHead{}, err
	}
	head := of[name]
	head.Index = name
	if head.Settings, err = keptSettings(head.Settings); err != nil {
		return head, fmt.Errorf("cannot export %s: cannot read its settings: %w", name, err)
	}
	return head, nil
}

// index exports one index as it is at one moment.
func (x *exporter) index(ctx context.Context, name string) error {
	var pit struct{ ID string }
	if err := x.client.Do(ctx, http.MethodPost, es.Path(name, "_pit"), url.Values{"keep_alive": {keepOpen}}, nil, &pit); err != nil {
		return err
	}
	defer func() { // also when ctx is done
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = x.client.Once().Do(ctx, http.MethodDelete, "/_pit", nil, map[string]string{"id": pit.ID}, nil) // it ends by itself, too
	}()
	if x.form == fullForm { // behind the point in time: documents come behind the mapping that they need
		head, err := x.head(ctx, name)
		if err != nil {
			return err
		}
		if err := x.line("podbeat_index", head); err != nil {
			return err
		}
	}
	x.size = 500
	request := map[string]any{"sort": []any{map[string]string{"_shard_doc": "asc"}}, "track_total_hits": true}
	if x.query != nil {
		request["query"] = x.query
	}
	for n, total := int64(0), int64(-1); ; {
		request["pit"], request["size"] = map[string]string{"id": pit.ID, "keep_alive": keepOpen}, x.size
		page, err := x.page(ctx, request)
		if err != nil && es.Status(err) == 0 && ctx.Err() == nil && x.size > 1 {
			x.size = max(x.size/4, 1) // an answer that is too long, perhaps
			continue
		}
		if err != nil {
			return err
		}
		if total < 0 {
			total = page.Hits.Total.Value
			request["track_total_hits"] = false
		}
		n += int64(len(page.Hits.Hits))
		if page.ID != "" {
			pit.ID = page.ID
		}
		if len(page.Hits.Hits) == 0 {
			if n != total {
				return fmt.Errorf("cannot export %s: it gave %d documents of %d", name, n, total)
			}
			return nil
		}
		request["search_after"] = page.Hits.Hits[len(page.Hits.Hits)-1].Sort
		if err := x.write(page); err != nil {
			return err
		}
	}
}

// A page is the part of a search's answer that is needed.
type page struct {
	ID       string `json:"pit_id"`
	TimedOut bool   `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []struct {
			Index   string          `json:"_index"`
			ID      string          `json:"_id"`
			Routing string          `json:"_routing"`
			Source  json.RawMessage `json:"_source"`
			Sort    json.RawMessage `json:"sort"`
		} `json:"hits"`
	} `json:"hits"`
}

func (x *exporter) page(ctx context.Context, request map[string]any) (page, error) {
	var p page
	if err := x.client.Do(ctx, http.MethodPost, "/_search", nil, request, &p); err != nil {
		return p, err
	}
	if p.TimedOut || p.Shards.Failed > 0 {
		return p, fmt.Errorf("cannot export: %d shards have failed to answer the search", p.Shards.Failed)
	}
	return p, nil
}

// write writes the documents of a page, and says how large the next one is to be.
func (x *exporter) write(p page) error {
	var line []byte
	bytesOf := 0
	for _, hit := range p.Hits.Hits {
		line = line[:0]
		if len(hit.Source) == 0 {
			return fmt.Errorf("cannot export %s: it does not keep the documents (_source)", hit.Index)
		}
		if x.form != documentsForm {
			line = appendAction(line, action{hit.Index, hit.ID, hit.Routing})
		}
		from := len(line)
		line = append(line, hit.Source...)
		for i := from; i < len(line); i++ { // ends of line can only be between the parts of JSON, where they mean as much as blanks
			if line[i] == '\n' || line[i] == '\r' {
				line[i] = ' '
			}
		}
		if _, err := x.out.Write(append(line, '\n')); err != nil {
			return err
		}
		bytesOf += len(hit.Source) + 200
		x.documents++
		x.bar.Step("export", x.documents, x.total)
	}
	x.size = min(pageDocs, max(1, pageBytes*len(p.Hits.Hits)/bytesOf))
	return nil
}
