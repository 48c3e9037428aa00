package filter

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A recording is a decision of Elastic Curator 8.0.21: see testdata/record.py.
type recording struct {
	Kind    int              `json:"k"`
	Now     int64            `json:"now"`
	Filters []map[string]any `json:"f"`
	Items   []recordedItem   `json:"i"`
	ILM     int              `json:"ilm"`

	Left    []string `json:"left"`
	Error   string   `json:"error"`
	Refused bool     `json:"refused"`
	Empty   bool     `json:"empty"`
}

type recordedItem struct {
	Name     string     `json:"n"`
	Created  *int64     `json:"c"`
	State    string     `json:"state"`
	Size     int64      `json:"s"`
	Docs     *int64     `json:"d"`
	Closed   int        `json:"closed"`
	ILM      int        `json:"ilm"`
	Unknown  int        `json:"unknown"`
	Shards   *int       `json:"sh"`
	Replicas int        `json:"rep"`
	Segments *int       `json:"seg"`
	Aliases  []string   `json:"al"`
	Box      string     `json:"box"`
	Range    *[]float64 `json:"r"`
}

func (r recordedItem) item(kind int) Item {
	it := Item{Name: r.Name, Created: time.UnixMilli(1e12), Closed: r.Closed > 0, Shards: 1, Replicas: r.Replicas, Docs: 1, Size: r.Size,
		PrimarySize: r.Size / 2, Segments: 1, Aliases: append([]string{}, r.Aliases...), Fields: map[string]Range{"@timestamp": {Empty: true}},
		Settings: map[string]string{"index.routing.allocation.require.box": r.Box}}
	if r.Created != nil {
		it.Created = time.UnixMilli(*r.Created)
	}
	if r.Docs != nil {
		it.Docs = *r.Docs
	}
	if r.Shards != nil {
		it.Shards = *r.Shards
	}
	if r.Segments != nil {
		it.Segments = *r.Segments
	}
	if r.ILM > 0 {
		it.Settings["index.lifecycle.name"] = "policy"
	}
	if r.Unknown > 0 || r.Closed > 0 {
		it.Docs, it.Size, it.PrimarySize = -1, -1, -1
	}
	if r.Range != nil {
		low, high := int64((*r.Range)[0]), int64((*r.Range)[1])
		it.Fields["@timestamp"] = Range{Min: time.UnixMilli(low), Max: time.UnixMilli(high)}
	}
	if kind == 1 {
		it.State = "SUCCESS"
		if r.State != "" {
			it.State = r.State
		}
	}
	return it
}

func recordings(t testing.TB) []recording {
	file, err := os.Open("testdata/curator.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	lines := json.NewDecoder(bufio.NewReader(text))
	for lines.UseNumber(); lines.More(); {
		var r recording
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) < 10000 {
		t.Fatalf("%d recordings, 10000 wanted", len(all))
	}
	return all
}

// replay decides a recorded case; refused: Parse did.
func (r recording) replay(strict bool) (out Outcome, refused, err error) {
	c := Clock{Now: time.Unix(r.Now, 7e8), Strict: strict}
	var filters []Filter
	for _, values := range r.Filters {
		f, err := Parse(values, Kind(r.Kind))
		if err != nil {
			return out, err, err
		}
		filters = append(filters, f)
	}
	if r.ILM > 0 {
		filters = WithoutILM(filters, c)
	}
	var items []Item
	for _, it := range r.Items {
		items = append(items, it.item(r.Kind))
	}
	out, err = Run(filters, items, c)
	return out, nil, err
}

// TestAsCurator replays all recordings with Strict: the same is left, in the same order, or there is an error
// where Curator has one. What Curator would fail on, Parse may refuse before, even if Curator stops at an empty
// list before it gets there.
func TestAsCurator(t *testing.T) {
	compared := map[string]int{}
	for i, r := range recordings(t) {
		out, refused, err := r.replay(true)
		got, want := strings.Join(names(out.Left), " "), strings.Join(r.Left, " ")
		switch failed := r.Error != "" || r.Refused; {
		case len(out.Missing) > 0:
			t.Errorf("recording %d: facts are missing: %v", i, out.Missing)
		case refused != nil && (failed || r.Empty):
			compared["refused"]++
		case (err != nil) != failed:
			t.Errorf("recording %d: %v, but Curator: %q\n%s", i, err, r.Error, r.text())
		case failed:
			compared["failed"]++
		case got != want:
			t.Errorf("recording %d: left %q, want %q\n%s", i, got, want, r.text())
		case r.Empty != (out.EmptyAt > 0):
			t.Errorf("recording %d: the list is empty at %d, but Curator: %v\n%s", i, out.EmptyAt, r.Empty, r.text())
		default:
			compared["decided"]++
		}
	}
	t.Log(compared)
}

func (r recording) text() string {
	text, _ := json.Marshal(r)
	return strings.NewReplacer(`"closed":0,`, "", `"ilm":0,`, "", `"unknown":0,`, "", `"sh":null,`, "", `"rep":0,`, "", `"seg":null,`, "", `"al":null,`, "", `"box":"",`, "", `"r":null`, "", `"d":null,`, "", `"s":0,`, "", `"state":"",`, "", `"c":null,`, "").Replace(string(text))
}

func names(items []Item) []string {
	var all []string
	for _, it := range items {
		all = append(all, it.Name)
	}
	return all
}

var _ = fmt.Sprint
var _ = slices.Sort[[]string]
