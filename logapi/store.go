package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/rest"
)

// A storeCommand is the commands below `logapi store`. They work on the store's folder, which no logapi may use meanwhile; some of them on
// what answers at a URL instead.
type storeCommand struct {
	open func() (dir string, o store.Options, err error)

	url, tokenFile, caCerts string
}

// newStoreCommand makes `logapi store`; open says where the store is and how it is set.
func newStoreCommand(open func() (dir string, o store.Options, err error)) *cobra.Command {
	s := &storeCommand{open: open}
	return cli.Group(&cobra.Command{
		Use:   "store",
		Short: "List, verify, compact, back up, export and import what the embedded store keeps",
		Long: `Store tends the folder of the embedded store. While a logapi runs, it holds that folder: name its address with --url then, which for all but
verify and backup may be any Elasticsearch, too. Run it as the user that logapi runs as.`,
		Example: `  logapi store list --url http://127.0.0.1:9200
  logapi store verify
  logapi store compact 'logs-2026.11.*'
  logapi store backup --url http://127.0.0.1:9200 2026-11-21
  logapi store export -o logs.ndjson.zst
  logapi store import logs.ndjson.zst`,
	}, newListCommand(s), newVerifyCommand(s), newCompactCommand(s), newBackupCommand(s), newExportCommand(s), newImportCommand(s))
}

// flags adds those that say where the documents are.
func (s *storeCommand) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.url, "url", "", "`URL` of a logapi that runs, or of Elasticsearch, in place of the store's folder: http://127.0.0.1:9200")
	flags.StringVar(&s.tokenFile, "token-file", "", "`FILE` with the token that the URL asks for")
	flags.StringVar(&s.caCerts, "ca-certs", "", "`FILE` of the authorities to trust in place of the system's, PEM")
}

// connect returns a client of the store in its folder, or of what is at --url. With create the store is made if there is none.
func (s *storeCommand) connect(cmd *cobra.Command, create bool) (c *es.Client, done func(), err error) {
	if s.url != "" {
		c, err := s.remote()
		return c, func() {}, err
	}
	if err := s.onlyURL(); err != nil {
		return nil, nil, err
	}
	st, err := s.local(cmd, create)
	if err != nil {
		return nil, nil, err
	}
	h, err := rest.New(rest.Options{Store: st})
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	done = func() {
		if err := errors.Join(h.Close(), st.Close()); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "logapi: cannot close the store:", cli.Printable(err.Error()))
		}
	}
	c, err = es.New(es.Config{Hosts: []string{"http://store"}, Transport: within{h}})
	if err != nil {
		done()
	}
	return c, done, err
}

// onlyURL refuses flags that are for --url, which is not given.
func (s *storeCommand) onlyURL() error {
	if s.tokenFile != "" || s.caCerts != "" {
		return cli.Usage("--token-file and --ca-certs are for --url")
	}
	return nil
}

func (s *storeCommand) remote() (*es.Client, error) {
	config := es.Config{Hosts: []string{s.url}, CACerts: s.caCerts, Timeout: time.Minute}
	if s.tokenFile != "" {
		text, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read --token-file: %w", err)
		}
		config.Bearer = strings.TrimSpace(string(text))
	}
	c, err := es.New(config)
	if err != nil {
		return nil, cli.Usage("%w", err)
	}
	return c, nil
}

// local opens the store in its folder. What it would delete by itself, it keeps.
func (s *storeCommand) local(cmd *cobra.Command, create bool) (*store.Store, error) {
	dir, o, err := s.open()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "catalog.db")); errors.Is(err, fs.ErrNotExist) && !create {
		if files, _ := filepath.Glob(filepath.Join(dir, "indices", "*.db")); len(files) == 0 {
			return nil, fmt.Errorf("there is no store in %q: name its folder in the configuration (store.path), or with --url a logapi that runs", dir)
		}
	}
	o.Retention, o.MaxSize = 0, 0
	o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := store.Open(dir, o)
	if errors.Is(err, store.ErrHeld) {
		return nil, fmt.Errorf("%w, or have it do this, with --url http://127.0.0.1:9200", err)
	}
	return st, err
}

// choose returns the indices that names and patterns stand for, sorted; all without any.
func choose(all, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return all, nil
	}
	var chosen []string
	for _, pattern := range asked {
		n := len(chosen)
		for _, name := range all {
			if name == pattern || strings.Contains(pattern, "*") && mapping.Like(pattern, name) {
				chosen = append(chosen, name)
			}
		}
		if len(chosen) == n {
			return nil, fmt.Errorf("there is no index %q: `logapi store list` shows them", pattern)
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// A listed index is what `logapi store list` says of one. What Elasticsearch does not say is nil.
type listedIndex struct {
	Index    string     `json:"index"`
	Closed   bool       `json:"closed"`
	Docs     int64      `json:"documents"`
	Deleted  int64      `json:"deleted"`
	Bytes    int64      `json:"bytes"`
	Source   *int64     `json:"source_bytes,omitempty"`
	Created  *time.Time `json:"created,omitempty"`
	Earliest *time.Time `json:"earliest,omitempty"`
	Latest   *time.Time `json:"latest,omitempty"`
}

func newListCommand(s *storeCommand) *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:     "list [INDEX...]",
		Short:   "Show the indices",
		Long:    "List shows the indices: how many documents they have, what they take on the disk, and when the documents are from.",
		Example: "  logapi store list\n  logapi store list --url http://127.0.0.1:9200 'logs-*' -o json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkForm(form); err != nil {
				return err
			}
			list, err := s.list(cmd, args)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return listText(cmd.OutOrStdout(), list)
		},
		ValidArgsFunction: s.completeIndices,
	}
	formFlag(cmd, &form)
	s.flags(cmd)
	return cmd
}

// list finds out what there is.
func (s *storeCommand) list(cmd *cobra.Command, asked []string) (list []listedIndex, err error) {
	list = []listedIndex{}
	if s.url != "" {
		c, err := s.remote()
		if err == nil {
			list, err = listOf(cmd.Context(), c, asked)
		}
		return list, err
	}
	if err := s.onlyURL(); err != nil {
		return nil, err
	}
	st, err := s.local(cmd, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	names, err := choose(st.Names(), asked)
	for _, name := range names {
		info, err := st.Info(name)
		if err != nil {
			return nil, err
		}
		one := listedIndex{Index: name, Closed: info.Closed, Docs: int64(info.Docs), Deleted: int64(info.Deleted), Bytes: info.Bytes, Source: &info.SourceSize, Created: &info.Created}
		if info.Docs > 0 {
			earliest, latest := time.Unix(0, info.Earliest).UTC(), time.Unix(0, info.Latest).UTC()
			one.Earliest, one.Latest = &earliest, &latest
		}
		list = append(list, one)
	}
	return list, err
}

// listOf asks what is at a URL.
func listOf(ctx context.Context, c *es.Client, asked []string) ([]listedIndex, error) {
	var rows []map[string]string
	path := "/_cat/indices"
	if len(asked) > 0 {
		path = es.Path("_cat", "indices", strings.Join(asked, ","))
	}
	q := url.Values{"format": {"json"}, "bytes": {"b"}, "h": {"index,status,docs.count,docs.deleted,store.size"}, "s": {"index"}, "expand_wildcards": {"all"}}
	if err := c.Do(ctx, http.MethodGet, path, q, nil, &rows); err != nil {
		return nil, err
	}
	list := make([]listedIndex, len(rows))
	for i, row := range rows {
		number := func(name string) int64 {
			n, _ := strconv.ParseInt(row[name], 10, 64) // nothing of a closed one
			return n
		}
		list[i] = listedIndex{Index: row["index"], Closed: row["status"] == "close", Docs: number("docs.count"), Deleted: number("docs.deleted"), Bytes: number("store.size")}
	}
	return list, nil
}

func listText(w io.Writer, list []listedIndex) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var docs, bytes int64
	for _, l := range list {
		docs, bytes = docs+l.Docs, bytes+l.Bytes
		more := ""
		if l.Earliest != nil {
			more = l.Earliest.Format(time.RFC3339) + " to " + l.Latest.Format(time.RFC3339)
		}
		if l.Closed {
			more = "closed"
		}
		fmt.Fprintf(table, "%s\t%d documents\t%s\t%s\n", cli.Printable(l.Index), l.Docs, cli.Bytes(l.Bytes), more)
	}
	fmt.Fprintf(table, "%d indices\t%d documents\t%s\t\n", len(list), docs, cli.Bytes(bytes))
	return table.Flush()
}

// completeIndices completes names of indices.
func (s *storeCommand) completeIndices(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	list, _ := s.list(cmd, nil)
	var names []string
	for _, l := range list {
		names = append(names, cli.Printable(l.Index))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
