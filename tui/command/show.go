package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// form adds -o of the commands that print text or JSON, and returns where it is kept.
func form(cmd *cobra.Command) *string {
	output := cmd.Flags().StringP("output", "o", "text", "`FORM` of what is printed: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return output
}

// show prints lines of cells, cleaned and aligned, or the value as JSON.
func show(cmd *cobra.Command, output string, value any, lines [][]string, first, last int) error {
	switch output {
	case "text":
		for _, line := range lines {
			for i := range line {
				line[i] = strings.ReplaceAll(text.Clean(line[i]), "\n", "␊")
			}
		}
		_, err := io.WriteString(cmd.OutOrStdout(), aligned(lines, first, last))
		return interrupted(err)
	case "json":
		e := json.NewEncoder(harmless(cmd.OutOrStdout()))
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return interrupted(e.Encode(value))
	}
	return cli.Usage("unknown --output %q: want text or json", output)
}

func newFieldsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fields [flags] [PATTERN]",
		Short: "List the fields that there are, with their types",
		Long:  "Lists the fields of the index pattern, those that a pattern with * means if one is given.",
		Example: `  logtui fields
  logtui fields 'kubernetes.*' --index 'logstash-*'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := form(cmd)
	index := cmd.Flags().StringP("index", "i", "", "index, alias or `PATTERN` to look into (default that of the context)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return cli.Usage("got %d patterns, want one: put it in quotes", len(args))
		}
		_, c, err := p.open()
		if err != nil {
			return err
		}
		s := &search{context: c}
		if err := s.open(cmd, *index); err != nil {
			return err
		}
		names := s.fields.Names()
		if len(args) > 0 {
			names = s.fields.Match(args[0])
		}
		type field struct {
			Name     string   `json:"name"`
			Type     string   `json:"type"`
			Conflict []string `json:"conflict,omitempty"`
			Values   string   `json:"values,omitempty"` // the field whose values are counted in its place
		}
		fields := []field{}
		var lines [][]string
		for _, name := range names {
			f := field{Name: name, Type: s.fields.Type(name), Conflict: s.fields.Conflict(name)}
			note := ""
			if other := s.fields.Aggregatable(name); other != name {
				f.Values, note = other, "not counted"
				if other != "" {
					note = "counted by " + other
				}
			}
			if f.Conflict != nil {
				note = "indices differ: " + strings.Join(f.Conflict, ", ")
			}
			fields = append(fields, f)
			lines = append(lines, []string{name, f.Type, note})
		}
		return show(cmd, *output, fields, lines, -1, -1)
	}
	return cmd
}

func newValuesCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "values [flags] FIELD",
		Short: "Count the values of a field",
		Long: `Counts the most frequent values of a field in the lines that a query finds.

Of very many lines a sample is counted: ≈ stands before such numbers; --exact counts all.`,
		Example: `  logtui values log.level --last 1h
  logtui values kubernetes.pod.name --query 'log.level: error' -n 50`,
		Args: exactly("FIELD"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return p.fieldNames(cmd, args), cobra.ShellCompDirectiveNoFileComp
		},
	}
	search, output := newSearchFlags(cmd), form(cmd)
	limit := cmd.Flags().IntP("limit", "n", 20, "most `VALUES` that are listed, up to 1000")
	exact := cmd.Flags().Bool("exact", false, "count all lines, however many there are")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *limit < 1 || *limit > 1000 {
			return cli.Usage("--limit is %d: want 1 to 1000", *limit)
		}
		s, err := p.search(cmd, search)
		if err != nil {
			return err
		}
		if s.fields.Type(args[0]) == "" {
			return fmt.Errorf("there is no field %q: `logtui fields` lists them", args[0])
		}
		f, err := s.view(nil).Facet(cmd.Context(), args[0], *limit, *exact)
		if err != nil {
			return advised(err)
		}
		type value struct {
			Value string `json:"value"`
			Count int64  `json:"count"`
		}
		values, lines := []value{}, [][]string{}
		for _, v := range f.Values {
			values = append(values, value{v.Value, v.Count})
			lines = append(lines, []string{number(source.Count{N: v.Count, Kind: f.Kind}), v.Value})
		}
		if f.Other > 0 && *output == "text" {
			fmt.Fprintf(cmd.ErrOrStderr(), "logtui: lines with other values: %s\n", number(source.Count{N: f.Other, Kind: f.Kind}))
		}
		if err := show(cmd, *output, values, lines, 0, 0); err != nil {
			return err
		}
		return whole(cmd, f.Meta)
	}
	return cmd
}

// fieldNames are those of the context, for completion: nothing if they do not come at once.
func (p *program) fieldNames(cmd *cobra.Command, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	_, c, err := p.open()
	if err != nil {
		return nil
	}
	client, err := c.Client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	fields, err := source.Open(client.Once(), source.Options{Index: c.Index, Fields: c.Names()}).Fields(ctx)
	if err != nil {
		return nil
	}
	return fields.Names()
}

func newKeysCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List the keys of the screen, and the names of what they do",
		Long:  "Lists the keys of the screen with the names of their actions, by which the configuration gives them other keys.",
		Args:  exactly(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := form(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(p.file)
		if err != nil {
			return err
		}
		bound, err := keys.New(cfg.Keys)
		if err != nil {
			return err
		}
		type binding struct {
			Action string   `json:"action"`
			Keys   []string `json:"keys"`
			Place  string   `json:"place"`
			Help   string   `json:"help"`
		}
		var bindings []binding
		var lines [][]string
		place := ""
		for _, b := range bound.Bindings() {
			if b.Place.String() != place {
				if place != "" {
					lines = append(lines, nil)
				}
				place = b.Place.String()
				lines = append(lines, []string{place})
			}
			bindings = append(bindings, binding{b.Action, b.Keys, place, b.Help})
			shown := make([]string, len(b.Keys))
			for i, key := range b.Keys {
				shown[i] = keys.Shown(key)
			}
			lines = append(lines, []string{"  " + b.Action, strings.Join(shown, " "), b.Help})
		}
		return show(cmd, *output, bindings, lines, -1, -1)
	}
	return cmd
}

func newThemesCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "themes",
		Short: "List the themes",
		Long:  "Lists the themes. The configuration chooses one with the option theme, the command line with --theme.",
		Args:  exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(p.file)
			if err != nil {
				return err
			}
			var lines [][]string
			for _, name := range append([]string{"auto"}, theme.Names()...) {
				chosen := ""
				if name == cfg.Theme {
					chosen = "(chosen)"
				}
				lines = append(lines, []string{name, chosen})
			}
			return show(cmd, "text", nil, lines, -1, -1)
		},
	}
}
