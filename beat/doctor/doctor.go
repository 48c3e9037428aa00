// Package doctor is `podbeat doctor`, which looks for what keeps podbeat from working, and says what to do. It looks at the machine,
// at what podbeat has on disk and at the output, as far as the configuration's inputs are concerned; it changes nothing.
//
//	configuration ──► subject ──► checks, each by itself ──► findings ──► text, or JSON
//	--root: the node ────┘
//
// Whatever it reads was written by others: reads are bounded, calls have a time limit, and nothing reaches a terminal as it is.
// A check that panics is a finding, and the others go on.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// A State says how a thing is.
type State string

// The states, from good to bad. What could not be checked is neither.
const (
	OK         State = "ok"
	NotChecked State = "not checked"
	Warning    State = "warning" // podbeat works, but something may be lost, or soon will not work
	Problem    State = "problem" // podbeat does not do what its configuration says
)

// A Finding is what a check has found out. Its ID is stable, and a heading of docs/doctor.md.
type Finding struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"` // what to do, of a warning or a problem
}

// A check looks at one thing. It returns nothing if the configuration does not concern it.
type check struct {
	id  string
	run func(ctx context.Context, s *subject) []Finding
}

// checks are all there are, in the order in which one would look.
var checks = []check{
	{"user", checkUser},
	{"config-rights", checkConfigRights},
	{"keystore", checkKeystore},
	{"journal-directory", checkJournalDirectory},
	{"journal-rights", checkJournalRights},
	{"machine-id", checkMachineID},
	{"journal-flags", checkJournalFlags},
	{"journald-limits", checkJournaldLimits},
	{"journald-retention", checkJournaldRetention},
	{"journal-position", checkJournalPosition},
	{"container-logs", checkContainerLogs},
	{"kubelet-root", checkKubeletRoot},
	{"pod-logs", checkPodLogs},
	{"empty-dirs", checkEmptyDirs},
	{"inotify", checkInotify},
	{"open-files", checkOpenFiles},
	{"clock", checkClock},
	{"output", checkOutput},
	{"index-template", checkTemplate},
	{"dead-letters", checkDeadLetters},
	{"spill", checkSpill},
	{"registry", checkRegistry},
	{"disk", checkDisk},
	{"http-endpoint", checkHTTP},
}

// IDs are those of all findings there may be.
func IDs() []string {
	ids := []string{"config"}
	for _, c := range checks {
		ids = append(ids, c.id)
	}
	return ids
}

// checkTime is how long a check may take.
const checkTime = 20 * time.Second

// examine runs the checks that are wanted, and hands over what they find.
func examine(ctx context.Context, s *subject, want func(id string) bool, tell func(Finding)) {
	for _, c := range checks {
		if ctx.Err() != nil {
			return
		}
		if !want(c.id) {
			continue
		}
		for _, f := range c.examine(ctx, s) {
			f.ID = c.id
			tell(f)
		}
	}
}

// examine returns in time, whatever happens inside.
func (c check) examine(ctx context.Context, s *subject) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() { // may outlive the call, if it hangs in the file system: the process ends soon
		defer func() {
			if r := recover(); r != nil {
				done <- one(NotChecked, "this check has failed: %v", r)
			}
		}()
		done <- c.run(ctx, s)
	}()
	select {
	case findings := <-done:
		return findings
	case <-ctx.Done():
		return one(NotChecked, "no answer within %v: a file system or a server hangs", checkTime)
	}
}

// one is the list of one finding without advice.
func one(state State, format string, args ...any) []Finding {
	return []Finding{{State: state, Found: fmt.Sprintf(format, args...)}}
}

// findings gathers what a check finds.
type findings []Finding

func (f *findings) add(state State, do, format string, args ...any) {
	*f = append(*f, Finding{State: state, Found: fmt.Sprintf(format, args...), Do: do})
}

// or returns what was found, or that all is well.
func (f findings) or(format string, args ...any) []Finding {
	if len(f) > 0 {
		return f
	}
	return one(OK, format, args...)
}
