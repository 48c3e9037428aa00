// Package logapi is the program in front of the logs: it says who may do what (tokens), lets them search, tells how the system
// is and changes its configuration; and where no Elasticsearch is configured it keeps the logs itself.
//
//	                     ┌ auth ──────────────▶ access: users.yml, keys ──▶ tokens
//	request ─▶ token ─▶ ─┼ <region>/es/… ─────▶ search, narrowed ──────────┐
//	          (api.go)   └ <region>/system/log ▶ status: probes, heartbeats ┼─▶ Elasticsearch, or store/rest in this process
//	podbeat, curator, logtui, curl ─▶ the store's own address (root.go) ────┘
//
// The exit code is 0 when it was stopped or has done what was asked, 1 when something failed, and 2 when the command line is wrong.
package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/token"
)

// Main runs the program with its arguments and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(newCommand(), args, stdin, stdout, stderr)
}

// newCommand makes the command with all below it.
func newCommand() *cobra.Command {
	var config string
	read := func() (*options, error) { return readOptions(config) }
	cmd := &cobra.Command{
		Use:   "logapi [--config FILE]",
		Short: "Tokens, search, status and configuration of the logs over HTTP, and a store for them",
		Long: `Logapi serves the API of the logs: tokens, searches that Elasticsearch's clients understand, the status and the configuration of the whole
system. Without elasticsearch.hosts in its configuration it keeps the logs itself, in the embedded store, and speaks as Elasticsearch
does on 127.0.0.1:9200: podbeat's output.elasticsearch, curator, logtui and curl work with it as they are.

It runs until SIGTERM or Ctrl-C, and then finishes what it has begun. The exit code is 0 then, 1 when something failed, 2 when the
command line is wrong.`,
		Example: `  logapi                                          all defaults: store and API on this machine alone, everything in ./data
  logapi --config /etc/podbeat/logapi.yml
  logapi check --config /etc/podbeat/logapi.yml    what is wrong with the configuration
  logapi user add user@example.com --grant 'GET,POST {mscp_api_url}/*/es/**'
  curl -u user@example.com http://127.0.0.1:9280/auth/token_root`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.UnknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := read()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), o, cmd.ErrOrStderr())
		},
	}
	cmd.PersistentFlags().StringVarP(&config, "config", "c", "", "configuration `FILE`; without it logapi.yml here, if there is one")
	_ = cmd.MarkPersistentFlagFilename("config", "yml", "yaml")
	cmd.AddCommand(newCheckCommand(read), newUserCommand(func() (string, error) {
		o, err := read()
		if err != nil {
			return "", err
		}
		return o.Auth.Users, nil
	}), newKeysCommand(func() (string, token.Rotation, time.Duration, error) {
		o, err := read()
		if err != nil {
			return "", token.Rotation{}, 0, err
		}
		return o.Auth.Keys, o.Auth.rotation(), o.Auth.RotateEvery, nil
	}), newStoreCommand(func() (string, store.Options, error) {
		o, err := read()
		if err != nil {
			return "", store.Options{}, err
		}
		return o.Store.Path, o.Store.Options, nil
	}))
	return cmd
}

func newCheckCommand(read func() (*options, error)) *cobra.Command {
	return &cobra.Command{
		Use:     "check",
		Short:   "Say what is wrong with the configuration",
		Example: "  logapi check --config /etc/podbeat/logapi.yml",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := read()
			if err != nil {
				return err
			}
			if err := o.test(); err != nil {
				return err
			}
			if o.file == "" {
				fmt.Fprintln(cmd.OutOrStdout(), "There is no "+defaultConfig+" here: all defaults hold.")
				return nil
			}
			fmt.Fprintln(cmd.OutOrStdout(), o.file+" is good.")
			return nil
		},
	}
}

// serve runs the server until ctx is done.
func serve(ctx context.Context, o *options, stderr io.Writer) error {
	log := newLogger(o.Logging, stderr)
	s, err := newServer(o, log)
	if err != nil {
		return err
	}
	err = s.run(ctx, func([]*door) {
		if o.ownStore() {
			path, _ := filepath.Abs(o.Store.Path)
			log.Info("the logs are kept in the embedded store", "path", path)
		} else {
			log.Info("the logs are in Elasticsearch", "hosts", o.Elasticsearch.Hosts)
		}
		if users, err := access.List(o.Auth.Users); len(users) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist)) {
			log.Warn("there are no users, so nobody gets a token: add one with `logapi user add`", "file", o.Auth.Users)
		}
	})
	log.Info("stopping")
	return errors.Join(err, s.close())
}

func newLogger(o loggingOptions, to io.Writer) *slog.Logger {
	level, _ := parseLevel(o.Level) // Validate has
	opts := &slog.HandlerOptions{Level: level}
	if o.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, opts))
	}
	return slog.New(slog.NewTextHandler(to, opts))
}

func parseLevel(text string) (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[text]
	if !ok {
		return 0, fmt.Errorf("cannot use logging.level %q: want debug, info, warning or error", text)
	}
	return level, nil
}

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
