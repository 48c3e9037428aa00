package health

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Losses while podbeat was away are counted before it is scraped for the first time: the rules tell of these, too, once.
func TestLossesBeforeTheFirstScrape(t *testing.T) {
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	series := `  - {series: 'process_start_time_seconds{job="podbeat",instance="a"}', values: '_x60 1795x60'}` + "\n" // from minute 30 on
	for metric, n := range map[string]int{
		"podbeat_journal_gaps_total": 5, "podbeat_journal_container_gaps_total": 0, "podbeat_files_abandoned_bytes_total": 5, "podbeat_consumer_gaps_total": 5,
	} {
		series += fmt.Sprintf("  - {series: '%s{job=\"podbeat\",instance=\"a\",type=\"x\",input=\"y\"}', values: '_x60 %dx60'}\n", metric, n)
	}
	checks := ""
	for _, alert := range []string{"PodbeatJournalGaps", "PodbeatFilesAbandoned", "PodbeatConsumerGaps"} {
		for minute, n := range map[string]int{"29m": 0, "33m": 1, "45m": 0} {
			checks += fmt.Sprintf("  - {expr: 'count(ALERTS{alertname=\"%s\",alertstate=\"firing\"}) or vector(0)', eval_time: %s, exp_samples: [{value: %d}]}\n", alert, minute, n)
		}
	}
	name := filepath.Join(t.TempDir(), "test.yml")
	text := fmt.Sprintf("rule_files: [%q]\nevaluation_interval: 30s\ntests:\n- interval: 30s\n  input_series:\n%s  promql_expr_test:\n%s", rules, series, checks)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "test", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
