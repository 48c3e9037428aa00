package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/store"
)

// longest is how long one request may take that reads or writes all of an index.
const longest = 24 * time.Hour

// A tended store is one in its folder, or behind a URL.
type tended struct {
	indices []listedIndex
	verify  func(ctx context.Context, index string) (store.Report, error)
	compact func(ctx context.Context, index string) (bytes int64, err error) // what it takes afterwards
	close   func() error
}

// tend opens the store for the indices that are asked for.
func (s *storeCommand) tend(cmd *cobra.Command, asked []string) (*tended, error) {
	if s.url != "" {
		return s.tendRemote(cmd.Context(), asked)
	}
	if err := s.onlyURL(); err != nil {
		return nil, err
	}
	st, err := s.local(cmd, false)
	if err != nil {
		return nil, err
	}
	names, err := choose(st.Names(), asked)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	t := &tended{close: st.Close}
	for _, name := range names {
		info, _ := st.Info(name) // what is wrong with it, doing something with it will say
		t.indices = append(t.indices, listedIndex{Index: name, Closed: info.Closed, Docs: int64(info.Docs), Bytes: info.Bytes})
	}
	t.verify = func(ctx context.Context, index string) (store.Report, error) {
		r, err := st.Verify(ctx, index)
		if info, _ := st.Info(index); err == nil && r.Docs != info.Docs {
			r.Problems = append(r.Problems, fmt.Sprintf("it has %d documents, and says it has %d", r.Docs, info.Docs))
		}
		return r, err
	}
	t.compact = func(ctx context.Context, index string) (int64, error) {
		if err := st.Compact(ctx, index); err != nil {
			return 0, err
		}
		info, err := st.Info(index)
		return info.Bytes, err
	}
	return t, nil
}

func (s *storeCommand) tendRemote(ctx context.Context, asked []string) (*tended, error) {
	c, err := s.remote()
	if err != nil {
		return nil, err
	}
	t := &tended{close: func() error { return nil }}
	if t.indices, err = listOf(ctx, c, asked); err != nil {
		return nil, err
	}
	t.verify = func(ctx context.Context, index string) (store.Report, error) {
		var said struct {
			Indices []struct {
				Documents, Blocks int
				Problems          []string
			}
		}
		r := store.Report{Index: index}
		err := c.With(longest).Do(ctx, http.MethodPost, es.Path("_podbeat", "verify", index), nil, nil, &said)
		if err == nil && len(said.Indices) != 1 {
			err = fmt.Errorf("the server answered for %d indices", len(said.Indices))
		}
		if err == nil {
			r.Docs, r.Blocks, r.Problems = said.Indices[0].Documents, said.Indices[0].Blocks, said.Indices[0].Problems
		}
		return r, err
	}
	t.compact = func(ctx context.Context, index string) (int64, error) {
		if err := c.With(longest).Do(ctx, http.MethodPost, es.Path(index, "_forcemerge"), url.Values{"max_num_segments": {"1"}}, nil, nil); err != nil {
			return 0, err
		}
		list, err := listOf(ctx, c, []string{index})
		if err != nil || len(list) != 1 {
			return 0, err
		}
		return list[0].Bytes, nil
	}
	return t, nil
}

// each does something with each of the indices asked for, and shows how far it is by what they take on the disk. Closed ones are left out.
func (s *storeCommand) each(cmd *cobra.Command, what string, asked []string, do func(*tended, listedIndex) error) (err error) {
	t, err := s.tend(cmd, asked)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	var done, total int64
	for _, ix := range t.indices {
		total += ix.Bytes
	}
	b := newProgress(cmd)
	defer b.End()
	for _, ix := range t.indices {
		b.Step(what, done, total)
		if err := cmd.Context().Err(); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		if ix.Closed {
			b.Note("%s is closed: left out", ix.Index)
			continue
		}
		b.End()
		if err := do(t, ix); err != nil {
			return err
		}
		done += ix.Bytes
	}
	return nil
}

func newVerifyCommand(s *storeCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [INDEX...]",
		Short: "Read everything and say what is wrong",
		Long: `Verify reads all of the indices, or of those that are named: SQLite's own check, every block and its checksum, every document, and that each
id is there once. The exit code is 1 if anything is wrong. Nothing is changed.`,
		Example:           "  logapi store verify\n  logapi store verify --url http://127.0.0.1:9200 'logs-2026.11.*'",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: s.completeIndices,
		RunE: func(cmd *cobra.Command, args []string) error {
			wrong, n := 0, 0
			err := s.each(cmd, "verify", args, func(t *tended, ix listedIndex) error {
				r, err := t.verify(cmd.Context(), ix.Index)
				if gone := errors.Is(err, store.ErrNoIndex) || es.Status(err) == http.StatusNotFound; err != nil && (cmd.Context().Err() != nil || gone) {
					return err
				}
				if err != nil {
					r.Problems = append(r.Problems, err.Error())
				}
				if n++; len(r.Problems) > 0 {
					wrong++
				}
				return reported(cmd.OutOrStdout(), r)
			})
			if err == nil && wrong > 0 {
				err = fmt.Errorf("%d of %d indices are damaged", wrong, n)
			}
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

func reported(w io.Writer, r store.Report) error {
	said := "ok"
	if n := len(r.Problems); n > 0 {
		said = fmt.Sprintf("damaged, %d problems", n)
	}
	_, err := fmt.Fprintf(w, "%s: %d documents in %d blocks: %s\n", cli.Printable(r.Index), r.Docs, r.Blocks, said)
	for _, p := range r.Problems {
		_, wrote := fmt.Fprintf(w, "  %s\n", cli.Printable(p))
		err = errors.Join(err, wrote)
	}
	return err
}

func newCompactCommand(s *storeCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact [INDEX...]",
		Short: "Make the files of indices as small as they get",
		Long: `Compact puts small blocks together, leaves out what was deleted, and writes the file of each index anew, which takes twice the room of that
index meanwhile. An index is whole at every moment: interrupted, it goes on the next time.`,
		Example:           "  logapi store compact\n  logapi store compact --url http://127.0.0.1:9200 'logs-2026.11.*'",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: s.completeIndices,
		RunE: func(cmd *cobra.Command, args []string) error {
			var before, after int64
			err := s.each(cmd, "compact", args, func(t *tended, ix listedIndex) error {
				now, err := t.compact(cmd.Context(), ix.Index)
				if err != nil {
					return err
				}
				before, after = before+ix.Bytes, after+now
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, was %s\n", cli.Printable(ix.Index), cli.Bytes(now), cli.Bytes(ix.Bytes))
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "all: %s, was %s\n", cli.Bytes(after), cli.Bytes(before))
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

func newBackupCommand(s *storeCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR | --url URL NAME",
		Short: "Copy the whole store",
		Long: `Backup copies the store into DIR, which must be empty or missing. A logapi that runs is asked with --url: it copies its store into the folder
backups/NAME beside its indices, each index as it is at one moment, and goes on with its work meanwhile.

The copy is a store of its own: with store.path set to it, logapi uses it as it is.`,
		Example:           "  logapi store backup /backup/logs-2026-11-21\n  logapi store backup --url http://127.0.0.1:9200 2026-11-21",
		Args:              exactly("DIR"),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if s.url != "" {
				return s.backupRemote(cmd, args[0])
			}
			if err := s.onlyURL(); err != nil {
				return err
			}
			st, err := s.local(cmd, false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, st.Close()) }()
			if err := st.Backup(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "copied %d indices to %s\n", len(st.Names()), cli.Printable(args[0]))
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

func (s *storeCommand) backupRemote(cmd *cobra.Command, name string) error {
	if strings.ContainsAny(name, `/\`) {
		return cli.Usage("with --url the backup has a name, not a folder such as %q: try %q", name, filepath.Base(name))
	}
	c, err := s.remote()
	if err != nil {
		return err
	}
	var said struct{ Path string }
	if err := c.With(longest).Do(cmd.Context(), http.MethodPost, es.Path("_podbeat", "backup", name), nil, nil, &said); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "copied to %s\n", cli.Printable(said.Path))
	return err
}
