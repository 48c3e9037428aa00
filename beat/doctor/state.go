package doctor

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/beat/replay"
	"github.com/podbeat/podbeat/cli"
)

// letterFiles are the files of dead letters, the oldest first, and how many bytes they may have together.
func (s *subject) letterFiles() (names []string, room int64) {
	current, max, files := replay.LetterFile(s.Config)
	for i := files; i > 0; i-- { // one more than there should be, lest one is overlooked after files was lowered
		names = append(names, current+"."+strconv.Itoa(i))
	}
	names = append(names, current)
	again, _ := filepath.Glob(filepath.Join(filepath.Dir(current), "dead-letter-*.ndjson")) // of replay
	names = append(names, again...)
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil && errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular()
	}), max * int64(files)
}

func checkDeadLetters(ctx context.Context, s *subject) []Finding {
	names, room := s.letterFiles()
	if len(names) == 0 {
		return one(OK, "there are none")
	}
	var size int64
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	var f findings
	survey, err := replay.Look(ctx, names)
	if err != nil {
		f.add(Problem, "let podbeat's user read it", "cannot read dead letters: %v", err)
		return f
	}
	byType := map[string]*replay.Group{}
	for _, g := range survey.Groups {
		if t := byType[g.Type]; t == nil {
			byType[g.Type] = &g
		} else {
			t.Letters += g.Letters
			if g.Newest.After(t.Newest) {
				t.Newest, t.Reason = g.Newest, g.Reason
			}
		}
	}
	types := make([]*replay.Group, 0, len(byType))
	for _, g := range byType {
		types = append(types, g)
	}
	slices.SortFunc(types, func(a, b *replay.Group) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Type, b.Type))
	})
	const most = 10
	for _, g := range types[:min(len(types), most)] {
		f.add(Warning, "mend what refuses them (the mapping, a limit), then podbeat replay "+names[0]+" …",
			"%d dead letters of type %s in %d files (%s); the newest is of %s, because: %s", g.Letters, g.Type, len(names), cli.Bytes(size), g.Newest.UTC().Format(time.RFC3339), clip300(g.Reason))
	}
	if survey.Unreadable > 0 {
		f.add(Warning, "podbeat replay --dry-run says which", "%d lines in the dead letters are no events: %s", survey.Unreadable, clip300(survey.FirstUnreadable))
	}
	if room > 0 && size > room/10*8 {
		f.add(Problem, "replay or move them, or raise max_bytes and files of non_indexable_policy.dead_letter_file: when all files are full, the oldest is removed", "the dead letters have %s of %s that there is room for", cli.Bytes(size), cli.Bytes(room))
	}
	return f.or("there are none")
}

func checkSpill(ctx context.Context, s *subject) []Finding {
	root := data("spill")
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return one(OK, "no events wait on disk")
	}
	var f findings
	if err != nil {
		f.add(Problem, "let podbeat's user in", "cannot read %s: %v", root, err)
	}
	for _, e := range entries[:min(len(entries), 1000)] {
		folder := filepath.Join(root, e.Name())
		files, size := 0, int64(0)
		_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
			if files++; err != nil || ctx.Err() != nil || files > maxEntries {
				return filepath.SkipAll
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(d.Name(), ".spill") {
				size += info.Size()
			}
			return nil
		})
		if size == 0 {
			continue
		}
		switch {
		case !s.configured(e.Name()):
			f.add(Problem, "configure that input again, or remove the folder: nothing else sends them", "%s of events wait in %s, and no input of that type and id is configured", cli.Bytes(size), folder)
		case s.running:
			f.add(Warning, "see output: podbeat sends them when it is back", "%s of events wait in %s", cli.Bytes(size), folder)
		default:
			f.add(Warning, "start podbeat, which sends them first", "%s of events wait in %s", cli.Bytes(size), folder)
		}
	}
	return f.or("no events wait on disk")
}

// configured says whether an input may have a folder of this name: one without an id has one of an id that it makes itself.
func (s *subject) configured(folder string) bool {
	return slices.ContainsFunc(s.inputs, func(in input) bool {
		own := delivery.Folder(delivery.Input{Type: in.kind, ID: in.id})
		return folder == own || in.id == "" && strings.HasPrefix(folder, own)
	})
}

// states are what the registry has, by key.
type states map[string]json.RawMessage

// maxRegistry bounds what is read of a file of the registry, in bytes.
const maxRegistry = 512 << 20

func (s *subject) registryDir() string {
	name, err := s.Root.String("podbeat.registry.path", -1)
	if err != nil || name == "" {
		name = "registry"
	}
	return filepath.Join(data(name), s.name)
}

// registry reads the registry as libbeat's memlog does: the newest checkpoint, then the log of what came after. Nothing is changed.
func (s *subject) registry() (states, error) {
	dir := s.registryDir()
	if _, err := os.Stat(filepath.Join(dir, "meta.json")); err != nil {
		return nil, err
	}
	table, checkpoint := states{}, uint64(0)
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	newest := ""
	for _, name := range names {
		if n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".json"), 10, 64); err == nil && (newest == "" || n > checkpoint) {
			newest, checkpoint = name, n
		}
	}
	if newest != "" {
		if err := table.checkpoint(newest); err != nil {
			return nil, fmt.Errorf("%s: %w", newest, err)
		}
	}
	log := filepath.Join(dir, "log.json")
	if err := table.log(log, checkpoint); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", log, err)
	}
	return table, nil
}

func (t states) checkpoint(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var entries []json.RawMessage
	if err := json.NewDecoder(io.LimitReader(f, maxRegistry)).Decode(&entries); err != nil {
		return err
	}
	for _, e := range entries {
		var key struct {
			Key string `json:"_key"`
		}
		if json.Unmarshal(e, &key) == nil {
			t[key.Key] = e
		}
	}
	return nil
}

// log applies the operations that came after a checkpoint. A last one that is torn is being written, or the machine has crashed; memlog passes over it too.
func (t states) log(name string, after uint64) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReaderSize(io.LimitReader(f, maxRegistry), 1<<16))
	for {
		var op struct {
			Op string `json:"op"`
			ID uint64 `json:"id"`
		}
		var what struct {
			K string          `json:"k"`
			V json.RawMessage `json:"v"`
		}
		if err := d.Decode(&op); err == io.EOF {
			return nil
		} else if err != nil {
			return torn(err)
		}
		if err := d.Decode(&what); err != nil {
			return torn(err)
		}
		switch {
		case op.ID <= after:
		case op.Op == "set":
			t[what.K] = what.V
		case op.Op == "remove":
			delete(t, what.K)
		}
	}
}

func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// A delivered is how far an input has delivered the journal that it read last.
type delivered struct {
	chain  string
	seqnum uint64
	at     time.Time
}

// journal returns what an input of type journal has delivered.
func (t states) journal(in input) (delivered, bool) {
	id := in.id
	switch {
	case id != "":
	case len(in.Paths) > 0:
		id = strings.Join(in.Paths, ",")
	case in.Namespace != "":
		id = "namespace " + in.Namespace
	default:
		id = "local"
	}
	var state struct {
		Position struct {
			Cursor string `json:"cursor"`
		} `json:"position"`
	}
	if err := json.Unmarshal(t["journal::"+id], &state); err != nil {
		return delivered{}, false
	}
	var d delivered
	for part := range strings.SplitSeq(state.Position.Cursor, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "s":
			d.chain = value
		case "i":
			d.seqnum, _ = strconv.ParseUint(value, 16, 64)
		case "t":
			if usec, err := strconv.ParseInt(value, 16, 64); err == nil {
				d.at = time.UnixMicro(usec)
			}
		}
	}
	return d, d.chain != "" && d.seqnum > 0
}

func checkRegistry(_ context.Context, s *subject) []Finding {
	dir := s.registryDir()
	table, err := s.registry()
	var f findings
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(OK, "podbeat has not run with %s yet", paths.Paths.Data)
	case errors.Is(err, fs.ErrPermission):
		f.add(Problem, "let podbeat's user read and write it: chown -R", "cannot read the registry: %v", err)
		return f
	case err != nil:
		f.add(Problem, "podbeat does not start with it: move it away, and see that cursor_seek_fallback and ignore_older are what you want, for everything is read again; copies have the same ids, and Elasticsearch takes them once",
			"the registry is damaged: %v", err)
		return f
	}
	newest := time.Time{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	age := time.Since(newest)
	if s.running && age > stale {
		f.add(Warning, "see output, and the figures of the inputs: podbeat top", "podbeat runs, but has delivered nothing for %v", age.Round(time.Minute))
	}
	probe := filepath.Join(dir, "log.json")
	if file, err := os.OpenFile(probe, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		file.Close()
	} else if errors.Is(err, fs.ErrPermission) {
		f.add(Problem, "let podbeat's user read and write it: chown -R", "cannot write the registry: %v", err)
	}
	return f.or("%d positions, the newest is %v old", len(table), age.Round(time.Second))
}

func checkDisk(_ context.Context, s *subject) []Finding {
	free, total, err := s.free(paths.Paths.Data)
	if err != nil {
		return one(NotChecked, "cannot tell how much room there is in %s: %v", paths.Paths.Data, err)
	}
	var f findings
	const do = "make room there, or set path.data to a larger disk; without room no position is stored, no dead letter is put aside, and events wait"
	switch {
	case free < 64<<20:
		f.add(Problem, do, "%s has %s free of %s", paths.Paths.Data, cli.Bytes(int64(free)), cli.Bytes(int64(total)))
	case free < 1<<30 && free < total/10:
		f.add(Warning, do, "%s has %s free of %s", paths.Paths.Data, cli.Bytes(int64(free)), cli.Bytes(int64(total)))
	}
	return f.or("%s has %s free of %s", paths.Paths.Data, cli.Bytes(int64(free)), cli.Bytes(int64(total)))
}
