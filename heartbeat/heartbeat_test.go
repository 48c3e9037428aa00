package heartbeat

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

const id = `"instance":"123e4567-e89b-12d3-a456-426614174000","role":"collector","node":"node1"`

func full() Beat {
	seconds, bytes := 1.5, int64(77)
	return Beat{
		Instance: "123e4567-e89b-12d3-a456-426614174000", Role: Collector, Node: "node1", PodID: "p", Name: "podbeat-x", Version: "1.2",
		Started: time.Date(2026, 11, 21, 8, 0, 0, 5, time.UTC), Sent: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		Every: 10 * time.Second, Wanted: 3,
		Output: &Output{Type: "kafka", Failing: true, Error: "refused", Oldest: time.Date(2026, 11, 21, 8, 59, 0, 0, time.UTC)},
		Inputs: []Input{
			{ID: "a", Type: "journal", Collector: Journalbeat, State: Running, Read: 1, Acked: 2, Gaps: 3, Skipped: 4, DeadLetter: 5, LagSeconds: &seconds, LagBytes: &bytes},
			{Type: "kafka", State: Failed, Error: "no broker"},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	got, err := Read(full().Append(nil))
	if err != nil || !reflect.DeepEqual(got, full()) {
		t.Fatalf("got %+v, %v", got, err)
	}
	w := Wanted{Version: 7, Every: 10 * time.Second, Collectors: map[string]bool{Journalbeat: true, Filebeat: false}}
	back, err := ReadWanted(w.Append(nil))
	if err != nil || !reflect.DeepEqual(back, w) {
		t.Fatalf("got %+v, %v", back, err)
	}
	if !back.Enabled(Journalbeat) || back.Enabled(Filebeat) || !back.Enabled(HTTPGateway) || !(Wanted{}).Enabled(Filebeat) {
		t.Error("a collector that is not named must stay as it is")
	}
}

// What is written is cut so that it can be read, whatever was in it.
func TestCut(t *testing.T) {
	b := full()
	nan := math.NaN()
	b.Node, b.Name = "n\x1b[31m"+strings.Repeat("é", 300), "\xff\x00"
	b.Output.Error = strings.Repeat("x\n", 4000)
	b.Started, b.Every, b.Wanted = time.Time{}, time.Millisecond, -4
	b.Inputs[0].LagSeconds, b.Inputs[0].Read = &nan, -1
	for len(b.Inputs) < 3*MaxInputs {
		b.Inputs = append(b.Inputs, Input{ID: strings.Repeat("\u2028", 300), Type: strings.Repeat("<", 300), State: Failed, Error: strings.Repeat("\x1b", 900)})
		b.Inputs = append(b.Inputs, Input{ID: strings.Repeat(`"`, 300), Type: strings.Repeat(`\`, 300), State: Failed, Error: strings.Repeat(`"`, 900)})
	}
	text := b.Append(nil)
	got, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Inputs) != MaxInputs || len(got.Node) > MaxName || strings.ContainsRune(got.Node, 0x1b) || got.Every != time.Second || got.Inputs[0].LagSeconds != nil {
		t.Errorf("got node %q, every %v, %d inputs", got.Node, got.Every, len(got.Inputs))
	}
}

func TestRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Read([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%.80s) = %v, want %q", text, err, want)
		}
	}
	f(`{`, "cannot read")
	f(`[]`, "must be an object, not an array")
	f(`{}`, `"instance" must be a UUID`)
	f(`{"instance":"x"}`, `"role" must be one of collector, shipper, parser`)
	f(`{"instance":"123e4567-e89b-12d3-a456-426614174000","role":"boss","node":"n"}`, `"role"`)
	f(`{"instance":"123e4567-e89b-12d3-a456-426614174000","role":7,"node":"n"}`, `"role" must be a text, not a number`)
	f(`{"instance":"123e4567-e89b-12d3-a456-426614174000","role":null,"node":"n"}`, `"role" must be one of`)
	f(`{"instance":"123e4567-e89b-12d3-a456-426614174000","role":"parser"}`, `"node" is missing`)
	f(`{`+id+`,"node":"again"}`, "node")
	f(`{`+id+`,"pod_id":"a\u001b[2J"}`, `"pod_id" holds a control character`)
	f(`{`+id+`,"pod_id":"`+strings.Repeat("p", 256)+`"}`, `"pod_id" is longer than 255`)
	f(`{`+id+`,"sent":"yesterday"}`, `"sent" must be a time`)
	f(`{`+id+`,"every":"0s"}`, `"every" must be`)
	f(`{`+id+`,"wanted":-1}`, `"wanted" must be a whole number`)
	f(`{`+id+`,"wanted":1e3}`, `"wanted" must be a whole number`)
	f(`{`+id+`,"wanted":9223372036854775808}`, `"wanted" must be a whole number`)
	f(`{`+id+`,"output":[]}`, `"output" must be an object`)
	f(`{`+id+`,"output":{"failing":"yes"}}`, `"output.failing" must be true or false`)
	f(`{`+id+`,"inputs":{}}`, `"inputs" must be an array`)
	f(`{`+id+`,"inputs":[1]}`, `"inputs[0]" must be an object`)
	f(`{`+id+`,"inputs":[{"type":"journal","state":"sleepy"}]}`, `"inputs[0].state" must be one of running, off, failed`)
	f(`{`+id+`,"inputs":[{"type":"journal","state":"off","collector":"other"}]}`, `"inputs[0].collector" must be one of journalbeat`)
	f(`{`+id+`,"inputs":[{"type":"journal","state":"off","lag_seconds":-0.1}]}`, `"inputs[0].lag_seconds"`)
	f(`{`+id+`,"inputs":[{"type":"journal","state":"off","lag_seconds":1e400}]}`, `"inputs[0].lag_seconds"`)
	f(`{`+id+`,"inputs":[`+strings.Repeat(`{},`, MaxInputs)+`{}]}`, `"inputs" has more than 200`)
	f(`{`+id+`,"x":"`+strings.Repeat("x", MaxBody)+`"}`, "longer than 524288 bytes")

	g := func(text, want string) {
		t.Helper()
		_, err := ReadWanted([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadWanted(%s) = %v, want %q", text, err, want)
		}
	}
	g(`null`, "must be an object, not null")
	g(`{"collectors":{"journalbeat":"off"}}`, `"collectors.journalbeat" must be true or false`)
	g(`{"collectors":{"journalbeat":true,"journalbeat":false}}`, "journalbeat")
	g(`{"collectors":{"\u001b":true}}`, "control character")
	g(`{"version":1.5}`, `"version"`)
}

// A podbeat of another version may say more.
func TestUnknownNames(t *testing.T) {
	b, err := Read([]byte(`{` + id + `,"mood":{"good":[1,2]},"INSTANCE":"x","inputs":[{"type":"journal","state":"off","new":1,"error":null}]}`))
	if err != nil || len(b.Inputs) != 1 || b.Inputs[0].State != Off {
		t.Fatalf("got %+v, %v", b, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(full().Append(nil))
	f.Add([]byte(`{` + id + `,"inputs":[{}]}`))
	f.Add([]byte(`{"version":1,"every":"10s","collectors":{"filebeat":false}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := Read(data); err == nil {
			again, err := Read(b.Append(nil))
			if err != nil || !reflect.DeepEqual(again, b) {
				t.Fatalf("read %+v, written and read again %+v, %v", b, again, err)
			}
		}
		if w, err := ReadWanted(data); err == nil {
			if _, err := ReadWanted(w.Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
