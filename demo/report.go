package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// event is what the report needs of a delivered document.
type event struct {
	Time     time.Time `json:"@timestamp"`
	Metadata struct {
		ID string `json:"_id"`
	} `json:"@metadata"`
	Message    string
	Kubernetes struct {
		Namespace string
		Pod       struct{ Name string }
		Container struct{ Name string }
	}
	Journald struct{ Process struct{ Name string } }
	Log      struct {
		Syslog struct{ Appname string }
		Flags  []string
	}
}

func (e *event) source() string {
	if e.Kubernetes.Pod.Name != "" {
		return e.Kubernetes.Namespace + "/" + e.Kubernetes.Pod.Name
	}
	if e.Log.Syslog.Appname != "" {
		return e.Log.Syslog.Appname
	}
	return "-"
}

// report compares what was delivered with what the journal holds, and prints it.
func (d *demo) report() error {
	text, err := d.delivered()
	if err != nil {
		return err
	}
	times := map[string]int{} // by id
	var shown []event
	err = lines(text, func(line []byte) error {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		times[e.Metadata.ID]++
		if len(times)%97 == 5 && len(shown) < 8 {
			shown = append(shown, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println("\nsome of what was delivered:")
	for i := range shown {
		e := &shown[i]
		fmt.Printf("  %s  %-42s %s\n", e.Time.Format("15:04:05.000000"), plain(e.source(), 42), plain(e.Message, 60))
	}
	all := map[string]counts{}
	saved, err := os.ReadFile(filepath.Join(d.dir, "counts.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(saved, &all); err != nil {
		return err
	}
	lost, doubled, err := d.compare(times)
	if err != nil {
		return err
	}
	d.table(all, len(times), lost, doubled)
	if lost+doubled > 0 {
		return fmt.Errorf("%d messages lost, %d doubled: that must not be; see %s", lost, doubled, d.path("podbeat.log"))
	}
	return nil
}

// compare looks for each message of the sample among the ids delivered. An id is the journal's
// chain and the number in it of the message's first entry.
func (d *demo) compare(times map[string]int) (lost, doubled int, err error) {
	chain := ""
	want := map[uint64]bool{} // number → whether it is to be delivered
	text, err := unzip(expected)
	if err != nil {
		return 0, 0, err
	}
	err = lines(text, func(line []byte) error {
		var m struct {
			First uint64
			Pause bool
		}
		err := json.Unmarshal(line, &m)
		want[m.First+1] = !m.Pause
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	journal, err := os.ReadFile(filepath.Join(d.dir, "journal/system.journal"))
	if err != nil {
		return 0, 0, err
	}
	chain = fmt.Sprintf("%x", journal[72:88]) // seqnum_id, see systemd's JOURNAL_FILE_FORMAT
	for number, deliver := range want {
		n := times[chain+"-"+strconv.FormatUint(number, 10)]
		switch {
		case deliver && n == 0:
			lost++
		case !deliver && n > 0, n > 1:
			doubled++
		}
	}
	for id, n := range times {
		if !strings.HasPrefix(id, chain) && n > 1 {
			doubled++
		}
	}
	return lost, doubled, nil
}

func (d *demo) table(all map[string]counts, documents, lost, doubled int) {
	s, m := all["sample"], all["machine"]
	row := func(what string, sample, machine uint64) {
		if d.machine == "" {
			fmt.Printf("  %-44s %8d\n", what, sample)
			return
		}
		fmt.Printf("  %-44s %8d %8d\n", what, sample, machine)
	}
	fmt.Println("\nwhat became of it:")
	if d.machine != "" {
		fmt.Printf("  %-44s %8s %8s\n", "", "sample", "machine")
	}
	row("journal entries read", s.Read, m.Read)
	row("parts joined to another entry's message", s.Joined, m.Joined)
	row("entries missing from the journal (gaps)", s.Gaps.Seqnum, m.Gaps.Seqnum)
	row("messages given to the output, acknowledged", s.Acked, m.Acked)
	fmt.Printf("  %-44s %8d\n", "of them dropped, from pause containers", s.Dropped)
	fmt.Printf("  %-44s %8d\n", "documents delivered", documents)
	fmt.Printf("  %-44s %8d\n", "lost", lost)
	fmt.Printf("  %-44s %8d\n", "doubled", doubled)
	fmt.Printf("\nthe documents, the configuration and podbeat's log are in %s\n", d.path(""))
}
