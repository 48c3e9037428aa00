package journal

import (
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// TestConvert: entries are filtered, joined and converted as by the input.
func TestConvert(t *testing.T) {
	m := Plugin(logp.NewLogger("test"), nil).Manager.(*manager)
	f := func(options string, entries []string, want ...string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(options), "test")
		if err != nil {
			t.Fatal(err)
		}
		var list []Entry
		for i, text := range entries {
			e := Entry{Seqnum: uint64(i + 1), Realtime: 1_715_947_200_000_000, BootID: "b"}
			for _, pair := range strings.Fields(text) {
				name, value, _ := strings.Cut(pair, "=")
				e.Fields = append(e.Fields, Field{Name: name, Value: value})
			}
			list = append(list, e)
		}
		events, err := m.Convert(cfg, beat.Info{Beat: "podbeat", Name: "node"}, list)
		if err != nil {
			t.Errorf("%s: %v", options, err)
		}
		var got []string
		for _, e := range events {
			got = append(got, e.Fields["message"].(string))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
	}
	two := []string{"MESSAGE=a _SYSTEMD_UNIT=x.service", "MESSAGE=b _TRANSPORT=kernel"}
	f(`{}`, two, "a", "b")
	f(`units: [x]`, two, "a")
	f(`{units: [x], kernel: true}`, two, "a", "b")
	f(`include_matches: [MESSAGE=a, MESSAGE=b, _TRANSPORT=kernel]`, two, "b")
	f(`include_matches: [MESSAGE=a, +, MESSAGE=b]`, two, "a", "b")
	f(`exclude_matches: [MESSAGE=a]`, two, "b")
	f(`boot: current`, two, "a", "b")
	parts := []string{
		"MESSAGE=a CONTAINER_ID_FULL=1 CONTAINER_PARTIAL_MESSAGE=true CONTAINER_PARTIAL_ID=p CONTAINER_PARTIAL_ORDINAL=1 CONTAINER_PARTIAL_LAST=false",
		"MESSAGE=b CONTAINER_ID_FULL=1 CONTAINER_PARTIAL_MESSAGE=true CONTAINER_PARTIAL_ID=p CONTAINER_PARTIAL_ORDINAL=2 CONTAINER_PARTIAL_LAST=true",
	}
	f(`{}`, parts, "ab")
	f(`join.enabled: false`, parts, "a", "b")
	f(`{}`, parts[:1], "a")
}
