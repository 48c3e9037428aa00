package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where journald writes: for ever, and until the next boot.
const (
	persistent = "/var/log/journal"
	volatile   = "/run/log/journal"
)

// journals are the journal's folders and files that the inputs are to read, by their names on the host.
type journals struct {
	files  []string
	denied []error // of folders
	local  bool    // an input reads this machine's own journal
}

// maxJournalFiles bounds how many are looked at.
const maxJournalFiles = 10_000

func (s *subject) journals() (j journals) {
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] && len(j.files) < maxJournalFiles {
			seen[path] = true
			j.files = append(j.files, path)
		}
	}
	var folder func(path string, deeper bool)
	folder = func(path string, deeper bool) {
		entries, err := s.list(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.denied = append(j.denied, err)
		}
		for _, e := range entries {
			name := filepath.Join(path, e.Name())
			switch {
			case strings.HasSuffix(name, ".journal") || strings.HasSuffix(name, ".journal~"):
				add(name)
			case deeper && (e.IsDir() || e.Type()&fs.ModeSymlink != 0):
				folder(name, false)
			}
		}
	}
	for _, in := range s.of("journal") {
		from := in.Paths
		if len(from) == 0 {
			from, j.local = []string{persistent, volatile}, true
		}
		for _, pattern := range from {
			names := []string{pattern}
			if strings.ContainsAny(pattern, `*?[\`) {
				names = s.glob(pattern)
			}
			for _, name := range names {
				if info, err := os.Stat(s.path(name)); err == nil && info.Mode().IsRegular() {
					add(name)
				} else {
					folder(name, true)
				}
			}
		}
	}
	return j
}

// stale is how long nothing may be written until it is suspicious.
const stale = time.Hour

func checkJournalDirectory(_ context.Context, s *subject) []Finding {
	inputs := s.of("journal")
	if len(inputs) == 0 {
		return nil
	}
	var f findings
	j := s.journals()
	for _, in := range inputs {
		for _, path := range in.Paths {
			if _, err := os.Stat(s.path(path)); !strings.ContainsAny(path, `*?[\`) && errors.Is(err, fs.ErrNotExist) {
				f.add(Problem, "mend paths of the input; in a container, mount the folder", "the journal input is to read %s, which is not there", path)
			}
		}
	}
	if len(j.files) == 0 {
		if len(j.denied) == 0 && len(f) == 0 {
			f.add(Problem, "mount "+persistent+" and "+volatile+" where podbeat runs in a container; otherwise see that systemd-journald runs, and that Storage in journald.conf is not none",
				"there is no journal file to read")
		}
		return f.or("its folder cannot be read: see journal-rights")
	}
	newest, volatileOnly, headers := time.Time{}, j.local, 0
	for _, name := range j.files {
		volatileOnly = volatileOnly && within(volatile, name)
		if h, err := readHeader(s.path(name)); err == nil {
			headers++
			if h.newest.After(newest) {
				newest = h.newest
			}
		}
	}
	if volatileOnly {
		f.add(Warning, "mkdir -p "+persistent+" && systemd-tmpfiles --create --prefix "+persistent+" && journalctl --flush, and mount it too where podbeat runs in a container",
			"the journal is in %s alone: what podbeat has not delivered is lost when the machine restarts", volatile)
	}
	if age := time.Since(newest); headers > 0 && age > stale {
		f.add(Warning, "see that systemd-journald runs, and writes to these files: journalctl --header",
			"nothing has been written to the journal for %v: the newest entry is of %s", age.Round(time.Minute), newest.UTC().Format(time.RFC3339))
	}
	return f.or("%d files, the newest entry is %v old", len(j.files), max(0, time.Since(newest)).Round(time.Second))
}

// capDACReadSearch is the number of CAP_DAC_READ_SEARCH.
const capDACReadSearch = 2

// capable says whether this process may read everything.
func capable() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<capDACReadSearch) != 0
}

func checkJournalRights(_ context.Context, s *subject) []Finding {
	if len(s.of("journal")) == 0 {
		return nil
	}
	j := s.journals()
	var denied []string
	for _, err := range j.denied {
		if errors.Is(err, fs.ErrPermission) {
			denied = append(denied, strings.TrimPrefix(pathOf(err), s.root))
		}
	}
	for _, name := range j.files {
		file, err := os.OpenFile(s.path(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrPermission) {
			denied = append(denied, name)
		}
		if err == nil {
			file.Close()
		}
	}
	var f findings
	if len(denied) > 0 {
		f.add(Problem, "add podbeat's user to the group systemd-journal (SupplementaryGroups=systemd-journal; in Kubernetes supplementalGroups with the node's number of it), or give it CAP_DAC_READ_SEARCH, and restart it",
			"%s may not read %s", userName(os.Geteuid()), few(denied))
	}
	how := "by their rights"
	if capable() {
		how = "by CAP_DAC_READ_SEARCH"
	}
	if len(j.files) == 0 && len(f) == 0 {
		return one(NotChecked, "there is no journal file")
	}
	return f.or("all %d files can be read, %s", len(j.files), how)
}

func pathOf(err error) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Path
	}
	return err.Error()
}

func checkMachineID(_ context.Context, s *subject) []Finding {
	j := s.journals()
	if !j.local {
		return nil
	}
	var f findings
	text, err := s.read("/etc/machine-id")
	id := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		f.add(Problem, "systemd-machine-id-setup; in a container, mount the node's /etc/machine-id", "cannot read the machine's id: %v", err)
		return f
	case id == "" || id == "uninitialized":
		f.add(Problem, "systemd-machine-id-setup, and restart systemd-journald", "/etc/machine-id is %q: the machine has no id yet", id)
		return f
	case len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "":
		f.add(Problem, "systemd-machine-id-setup, and restart systemd-journald", "/etc/machine-id is %q: want 32 of the digits 0-9 and a-f", clip80(id))
		return f
	}
	var ours, others []string
	for _, root := range []string{persistent, volatile} {
		entries, _ := s.list(root)
		for _, e := range entries {
			folder, _, _ := strings.Cut(e.Name(), ".") // a namespace follows
			switch {
			case folder == id:
				ours = append(ours, filepath.Join(root, e.Name()))
			case len(folder) == 32 && strings.Trim(folder, "0123456789abcdef") == "":
				others = append(others, filepath.Join(root, e.Name()))
			}
		}
	}
	switch {
	case len(ours) == 0 && len(others) > 0:
		f.add(Warning, "in a container, mount the node's /etc/machine-id; on a machine that was cloned, restart systemd-journald",
			"the machine's id is %s, but the journal's folder is another's: %s. podbeat reads it, for there is no better one", id, few(others))
	case len(others) > 0 && len(ours) > 0:
		return one(OK, "%s, as the journal's folder; folders of other machines are passed over: %s", id, few(others))
	}
	return f.or("%s, as the journal's folder", id)
}

func checkJournalFlags(ctx context.Context, s *subject) []Finding {
	if len(s.of("journal")) == 0 {
		return nil
	}
	j := s.journals()
	var f findings
	refused, damaged, read := map[uint32][]string{}, []string{}, 0
	all := uint32(0)
	for _, name := range j.files {
		if ctx.Err() != nil {
			break
		}
		h, err := readHeader(s.path(name))
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			damaged = append(damaged, name)
		case h.unknown != nil:
			refused[h.Incompatible] = append(refused[h.Incompatible], name)
		default:
			read++
			all |= h.Incompatible
		}
	}
	for _, flags := range slices.Sorted(maps.Keys(refused)) {
		f.add(Problem, "take a newer podbeat; until then have journald write what this one reads (see the flags in systemd's documentation of SYSTEMD_JOURNAL_COMPACT, SYSTEMD_JOURNAL_KEYED_HASH and SYSTEMD_JOURNAL_COMPRESS), and rotate",
			"podbeat does not know the format of %s (%s): a newer systemd has written it", few(refused[flags]), flagNames(flags))
	}
	if len(damaged) > 0 {
		f.add(Warning, "journalctl --verify --file FILE; podbeat reads what can be read", "%s has not the header of a journal file", few(damaged))
	}
	if read == 0 && len(f) == 0 {
		return one(NotChecked, "no journal file can be read")
	}
	return f.or("%d files with %s: podbeat reads them", read, cmp.Or(flagNames(all), "no flags"))
}

// checkJournalPosition compares what was delivered with what the journal still has.
func checkJournalPosition(_ context.Context, s *subject) []Finding {
	inputs := s.of("journal")
	if len(inputs) == 0 {
		return nil
	}
	states, err := s.registry()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return one(NotChecked, "the registry cannot be read: see registry")
	}
	type chain struct {
		oldest, newest time.Time
		head           uint64
	}
	chains := map[string]*chain{}
	for _, name := range s.journals().files {
		h, err := readHeader(s.path(name))
		if err != nil || h.HeadSeqnum == 0 {
			continue
		}
		c := chains[h.SeqnumID.String()]
		if c == nil {
			c = &chain{h.oldest, h.newest, h.HeadSeqnum}
			chains[h.SeqnumID.String()] = c
		}
		if h.HeadSeqnum < c.head {
			c.head, c.oldest = h.HeadSeqnum, h.oldest
		}
		if h.newest.After(c.newest) {
			c.newest = h.newest
		}
	}
	var f findings
	known := 0
	for _, in := range inputs {
		p, ok := states.journal(in)
		if !ok {
			continue
		}
		known++
		c := chains[p.chain]
		switch {
		case c == nil:
			f.add(Warning, "nothing, if the journal was removed or the machine set up anew; else see that paths name the journal that podbeat has read before",
				"input %q has delivered up to %s of a journal of which no file is left", in.id, p.at.UTC().Format(time.RFC3339))
		case c.head > p.seqnum+1:
			f.add(Problem, "keep more of the journal (SystemMaxUse, MaxRetentionSec: see journald-retention), and look why the output was away or slow for so long",
				"input %q has delivered up to %s, but the journal's oldest entry is of %s: the %d entries between were removed before they were read",
				in.id, p.at.UTC().Format(time.RFC3339), c.oldest.UTC().Format(time.RFC3339), c.head-p.seqnum-1)
		default:
			lag, kept := c.newest.Sub(p.at), c.newest.Sub(c.oldest)
			if lag > 10*time.Minute && lag > kept/2 {
				f.add(Warning, "see what slows the output: podbeat top; keep more of the journal: see journald-retention",
					"input %q is %v behind the newest entry, and the journal keeps only %v: soon entries are removed before they are read", in.id, lag.Round(time.Second), kept.Round(time.Second))
			}
		}
	}
	if known == 0 {
		return one(OK, "nothing has been delivered yet")
	}
	return f.or("nothing was removed from the journal before it was delivered")
}
