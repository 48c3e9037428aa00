package command

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/drain"
	"github.com/podbeat/podbeat/tui/take"
)

func newPatternsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "patterns [flags]",
		Short: "List the patterns of messages",
		Long:  "Sorts the newest lines that a query finds by the pattern of their message, the most frequent first. <*> stands for what differs.",
		Example: `  logtui patterns --last 1h
  logtui patterns --query 'log.level: error' -n 10000`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	search, output := newSearchFlags(cmd), form(cmd)
	limit := cmd.Flags().IntP("limit", "n", 5000, "`LINES` that are looked at, up to 100000")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 1 || *limit > 100_000 {
			return cli.Usage("--limit is %d: want 1 to 100000", *limit)
		}
		s, err := p.search(cmd, search)
		if err != nil {
			return err
		}
		message := s.source.Names().Message
		read := &lines{}
		rows, err := newest(cmd.Context(), s.view([]string{message}), *limit, read)
		if err != nil {
			return advised(err)
		}
		if err := read.tell(cmd, s, true); err != nil {
			return err
		}
		miner := drain.New()
		for _, row := range rows {
			miner.Add(take.Value(row, message), row.Level, row.Time)
		}
		type pattern struct {
			Count    int     `json:"count"`
			Share    float64 `json:"share"`
			Template string  `json:"pattern"`
			Query    string  `json:"query"`
		}
		patterns, lines := []pattern{}, [][]string{}
		for _, c := range miner.Clusters() {
			query := c.Query
			if s.fields.Type(message) == "keyword" {
				query = c.Keyword
			}
			share := float64(c.Count) / float64(len(rows))
			patterns = append(patterns, pattern{c.Count, share, c.Template, query(message)})
			lines = append(lines, []string{strconv.Itoa(c.Count), strconv.FormatFloat(100*share, 'f', 1, 64) + " %", c.Template})
		}
		return show(cmd, *output, patterns, lines, 0, 1)
	}
	return cmd
}
