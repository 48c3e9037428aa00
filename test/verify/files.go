package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/test/kubelet"
)

// A FileDoc is one document that arrived of a line in a file.
type FileDoc struct {
	Index   string
	Message string
	Path    string // log.file.path
	Offset  int64  // log.offset
	Fields  map[string]string
}

// Files compares the documents that arrive with the lines that pods wrote. It knows what no reader can save:
// lines of a file that was deleted while podbeat was not there to read it, or before podbeat had delivered them
// when it was killed. That is said sharply: a line counts as not saveable only if it was written, and its file
// deleted, while podbeat was down or in the time by which it was behind when it was killed. Any other line that is
// missing is lost.
type Files struct {
	slack     time.Duration // how long podbeat may take with a line when it is not behind
	ledger    *kubelet.Ledger
	delivered []delivery
	downs     []outage // as told
	outages   []outage // with the time before each by which podbeat was behind; those that overlap in one
	seen      []bool   // by token
	last      map[*kubelet.File]int64
	report    FilesReport
}

// A delivery is a line that was seen to be stored.
type delivery struct{ at, written time.Time }

// An outage is a time in which podbeat could not save what was deleted.
type outage struct{ from, to time.Time }

// sample is the time in which the oldest line that is delivered says how far podbeat is behind.
const sample = 3 * time.Second

// NewFiles returns a Files that expects all lines of the ledger.
func NewFiles(l *kubelet.Ledger) *Files {
	return &Files{slack: 5 * time.Second, ledger: l, last: map[*kubelet.File]int64{}}
}

// Delivered tells when the line with this token was seen to be stored, be it again.
func (f *Files) Delivered(token int, at time.Time) {
	if line := f.ledger.Line(token); line != nil {
		f.delivered = append(f.delivered, delivery{at, line.Written})
	}
}

// Down tells of a time in which podbeat was not there: from when it was killed until it had started again
// and looked through all directories. It was behind by as much as it said itself, or by more if what was Delivered
// says so. Times must be told in their order, after what was Delivered.
func (f *Files) Down(from, to time.Time, behind time.Duration) {
	f.downs = append(f.downs, outage{from, to})
	oldest := minTime(f.oldest(from), from.Add(-behind))
	f.report.Behind = max(f.report.Behind, from.Sub(oldest))
	from = oldest.Add(-f.slack)
	if n := len(f.outages); n > 0 && from.Before(f.outages[n-1].to) {
		f.outages[n-1].from = minTime(f.outages[n-1].from, from)
		f.outages[n-1].to = to
		return
	}
	f.outages = append(f.outages, outage{from, to})
}

// oldest returns when the oldest of the lines was written that were delivered just before a time.
func (f *Files) oldest(before time.Time) time.Time {
	var last time.Time
	for _, d := range f.delivered {
		if d.at.Before(before) && d.at.After(last) {
			last = d.at
		}
	}
	oldest := before
	for _, d := range f.delivered {
		if d.at.Before(before) && d.at.After(last.Add(-sample)) {
			oldest = minTime(oldest, d.written)
		}
	}
	return oldest
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// saveable says whether a reader could have the line.
func (f *Files) saveable(line *kubelet.Line) bool {
	file := line.File
	if file.Deleted.IsZero() {
		return true
	}
	return !slices.ContainsFunc(f.outages, func(o outage) bool { return line.Written.After(o.from) && o.deleted(file) })
}

// held says whether the file of a line that is not saveable went before podbeat was killed.
func (f *Files) held(line *kubelet.Line) bool {
	return !slices.ContainsFunc(f.downs, func(o outage) bool { return o.deleted(line.File) })
}

// deleted says whether the file was deleted in this time.
func (o outage) deleted(file *kubelet.File) bool {
	return file.Deleted.Before(o.to) && file.DeletedEnd.After(o.from)
}

// Arrived takes a document. They must come in the order in which users see them.
func (f *Files) Arrived(d FileDoc) {
	r := &f.report
	token, ok := kubelet.Token(d.Message)
	line := f.ledger.Line(token)
	if !ok || line == nil {
		r.Unexpected++
		r.example("unexpected", fmt.Sprintf("%.80q of %s", d.Message, d.Path))
		return
	}
	if token >= len(f.seen) {
		f.seen = append(f.seen, make([]bool, token+1-len(f.seen))...)
	}
	if f.seen[token] {
		r.Doubled++
		r.bad("doubled", line, f.describe(line)+", again as "+fmt.Sprintf("%s at %d", filepath.Base(d.Path), d.Offset))
		return
	}
	f.seen[token] = true
	r.Arrived++
	if want := f.ledger.Text(line); d.Message != want {
		r.Changed++
		r.bad("changed", line, fmt.Sprintf("%s is now %s", f.describe(line), difference(d.Message, want)))
	}
	if wrong := f.wrong(d, line); wrong != "" {
		r.Mislabelled++
		r.bad("mislabelled", line, f.describe(line)+" has "+wrong)
	}
	if d.Offset != line.Offset {
		r.Misplaced++
		r.bad("misplaced", line, fmt.Sprintf("%s has offset %d", f.describe(line), d.Offset))
	}
	if line.Offset < f.last[line.File] {
		r.Reordered++
		r.bad("reordered", line, fmt.Sprintf("%s came after the one at %d", f.describe(line), f.last[line.File]))
	}
	f.last[line.File] = max(f.last[line.File], line.Offset)
}

// wrong says what is wrong with a document's fields, or nothing.
func (f *Files) wrong(d FileDoc, line *kubelet.Line) string {
	for name, want := range line.File.Fields {
		if d.Fields[name] != want {
			return fmt.Sprintf("%s %q, want %q", name, d.Fields[name], want)
		}
	}
	if d.Fields["stream"] != line.Stream {
		return fmt.Sprintf("stream %q, want %q", d.Fields["stream"], line.Stream)
	}
	if filepath.Dir(d.Path) != filepath.Dir(line.File.Path) {
		return fmt.Sprintf("log.file.path %s, want one beside %s", d.Path, line.File.Path)
	}
	return ""
}

// describe names a line, with all that helps to find out what became of it.
func (f *Files) describe(line *kubelet.Line) string {
	s := fmt.Sprintf("line %d of pod %d, %s at %d", line.Token, line.File.Pod, line.File.Path, line.Offset)
	if line.File.Way != "" {
		s += ", " + line.File.Way
	}
	const clock = "15:04:05.000"
	s += ", written " + line.Written.Format(clock)
	if !line.File.Deleted.IsZero() {
		s += ", deleted " + line.File.Deleted.Format(clock)
	}
	return s
}

// difference shows where two texts begin to differ.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%.60q from byte %d of %d on, want %.60q of %d", got[i:], i, len(got), want[i:], len(want))
}

// Missing returns the lines that did not arrive.
func (f *Files) Missing() (missing []*kubelet.Line) {
	for _, file := range f.ledger.Files {
		for _, line := range file.Lines {
			if line.Token >= len(f.seen) || !f.seen[line.Token] {
				missing = append(missing, line)
			}
		}
	}
	return missing
}

// Report says how things stand.
func (f *Files) Report() FilesReport {
	r := f.report
	r.Examples, r.Ways = slices.Clone(r.Examples), maps.Clone(r.Ways)
	r.Expected = f.ledger.Written()
	r.Outages = len(f.downs)
	for _, line := range f.Missing() {
		if !f.saveable(line) {
			r.Unsaveable++
			if f.held(line) {
				r.Held++
			}
			continue
		}
		r.Lost++
		r.bad("lost", line, f.describe(line))
	}
	return r
}

// A FilesReport counts lines. Expected = Arrived + Lost + Unsaveable.
type FilesReport struct {
	Report
	Unsaveable  int           // not arrived, and nobody could have saved them
	Held        int           // of these, in files that were deleted before podbeat was killed
	Outages     int           // times in which files could go unread
	Behind      time.Duration // the most that podbeat was behind before one of them
	Mislabelled int           // arrived with a wrong identity
	Misplaced   int           // arrived with a wrong offset
	// Ways counts the bad ones by what is bad and the rotation of their files, as `lost: rename`.
	Ways map[string]int
}

// bad notes what is wrong with a line.
func (r *FilesReport) bad(kind string, line *kubelet.Line, text string) {
	if r.Ways == nil {
		r.Ways = map[string]int{}
	}
	r.Ways[strings.TrimSuffix(kind+": "+line.File.Way, ": ")]++
	r.example(kind, text)
}

// Exact says whether every line that could be saved arrived once, unchanged, in its order and under its name.
func (r FilesReport) Exact() bool {
	return r.Report.Exact() && r.Reordered+r.Mislabelled+r.Misplaced == 0
}

func (r FilesReport) String() string {
	counts, examples, _ := strings.Cut(r.Report.String(), "\n")
	counts += fmt.Sprintf(", %d mislabelled, %d misplaced, %d not saveable (%d of them held) in %d outages (%.1f s behind)",
		r.Mislabelled, r.Misplaced, r.Unsaveable, r.Held, r.Outages, r.Behind.Seconds())
	if len(r.Ways) > 0 {
		counts += fmt.Sprintf("\n\tby way of rotation: %v", r.Ways)
	}
	return strings.TrimSpace(counts + "\n" + examples)
}

// ElasticsearchFiles reads every document of a line in a file of the indices matching pattern, in the order in which
// users see them: by @timestamp, then log.offset.
func ElasticsearchFiles(url, pattern string, each func(FileDoc)) error {
	fields := []string{"message", "log", "kubernetes", "service", "stream", "container"}
	return search(url, pattern, "log.offset", fields, func(h hit) error {
		d, err := fileDoc(h.Source)
		if err != nil {
			return err
		}
		d.Index = h.Index
		each(d)
		return nil
	})
}

// fileDoc reads the JSON of a document.
func fileDoc(source []byte) (d FileDoc, err error) {
	var tree map[string]any
	if err := json.Unmarshal(source, &tree); err != nil {
		return d, err
	}
	d.Fields = map[string]string{}
	flatten(d.Fields, "", tree)
	d.Message, d.Path = d.Fields["message"], d.Fields["log.file.path"]
	var at struct{ Log struct{ Offset *int64 } }
	if err := json.Unmarshal(source, &at); err != nil {
		return d, err
	}
	if at.Log.Offset == nil {
		return d, fmt.Errorf("it has no log.offset: %.200s", source)
	}
	d.Offset = *at.Log.Offset
	return d, nil
}

// flatten puts the strings of a tree into fields by their dotted names.
func flatten(fields map[string]string, prefix string, tree map[string]any) {
	for name, value := range tree {
		switch v := value.(type) {
		case map[string]any:
			flatten(fields, prefix+name+".", v)
		case string:
			fields[prefix+name] = v
		}
	}
}
