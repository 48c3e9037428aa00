package find

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

const (
	anyDepth = "**" // the segment that stands for directories at any depth

	// maxDepth is how many directories one anyDepth stands for at most.
	maxDepth = 16
)

// A pattern is what a glob has after its prefix: a segment for each directory that is matched, and
// the one of the files last. That one is never anyDepth.
type pattern struct{ segments []string }

// parseGlob splits a glob at its first segment with a wildcard: the directories before it are
// trusted and may be symbolic links, what follows is not.
func parseGlob(glob string, recursive bool) (prefix string, p *pattern, err error) {
	fail := func(why string) (string, *pattern, error) {
		return "", nil, fmt.Errorf("cannot use the path %q: %s", glob, why)
	}
	switch {
	case !filepath.IsAbs(glob):
		return fail("it must begin with /")
	case strings.HasSuffix(glob, "/"):
		return fail("it names a directory; type " + strings.TrimRight(glob, "/") + "/* for the files in it")
	case strings.ContainsRune(glob, 0):
		return fail("it has a NUL byte")
	}
	var segments []string
	fixed := 0 // how many of them have no wildcard before or in them
	for s := range strings.SplitSeq(glob, "/") {
		switch {
		case s == "" || s == ".":
			continue
		case s == "..":
			return fail("it has a segment `..`; type the path without")
		case s == anyDepth && len(segments) > 0 && segments[len(segments)-1] == anyDepth:
			continue
		}
		if _, err := path.Match(s, ""); err != nil {
			return fail(fmt.Sprintf("the segment %q is no pattern: a [ without its ], or a \\ at the end", s))
		}
		if fixed == len(segments) && !strings.ContainsAny(s, `*?[\`) {
			fixed++
		}
		segments = append(segments, s)
	}
	if len(segments) == 0 {
		return fail("it names a directory")
	}
	last := len(segments) - 1
	if segments[last] == anyDepth {
		segments, last = append(segments, "*"), last+1
	}
	fixed = min(fixed, last)
	if recursive && (last == 0 || segments[last-1] != anyDepth) {
		segments = append(segments[:last:last], anyDepth, segments[last])
	}
	return "/" + strings.Join(segments[:fixed], "/"), &pattern{segments[fixed:]}, nil
}

// A state says how far along a pattern a directory is: the next name must match segment at. Where
// that is anyDepth, depth of its directories are used up.
type state struct {
	p     *pattern
	at    int
	depth int
}

// add puts a state among states, and with anyDepth the one after it, since that may stand for no
// directory at all. Of states that differ in depth alone the least is kept, so that there are never
// more of them than segments.
func add(states []state, s state) []state {
	for i := range states {
		if states[i].p == s.p && states[i].at == s.at {
			states[i].depth = min(states[i].depth, s.depth)
			return states
		}
	}
	states = append(states, s)
	if s.p.segments[s.at] == anyDepth {
		states = add(states, state{s.p, s.at + 1, 0})
	}
	return states
}

// descend returns the states in the directory name of a directory; none if nothing is looked for there.
func descend(states []state, name string) (next []state) {
	for _, s := range states {
		segment := s.p.segments[s.at]
		switch {
		case segment == anyDepth:
			if s.depth < maxDepth {
				next = add(next, state{s.p, s.at, s.depth + 1})
			}
		case s.at < len(s.p.segments)-1 && matches(segment, name):
			next = add(next, state{s.p, s.at + 1, 0})
		}
	}
	return next
}

// holdsFiles says whether files in a directory may match.
func holdsFiles(states []state) bool {
	for _, s := range states {
		if s.at == len(s.p.segments)-1 {
			return true
		}
	}
	return false
}

// matchesFile says whether the file name in a directory matches.
func matchesFile(states []state, name string) bool {
	for _, s := range states {
		if s.at == len(s.p.segments)-1 && matches(s.p.segments[s.at], name) {
			return true
		}
	}
	return false
}

func matches(segment, name string) bool {
	ok, _ := path.Match(segment, name) // its only error is bad syntax, which parseGlob has refused
	return ok
}

// RotatedMarks are what may follow a rotated file's name in place of a number or a date.
var RotatedMarks = []string{"old", "prev", "bak", "save"}

// maxBases bounds the names that are tried for one rotated file: a date with a time has nine parts.
const maxBases = 16

// isRotation says whether name is a file's name for which base holds, with a number, a date or a
// mark appended and perhaps compressed: `app.log.1`, `app.log-20261121.gz`, `app.log.old`, `app.log.gz`.
func isRotation(name string, base func(string) bool) bool {
	rest, compressed := strings.CutSuffix(name, ".gz")
	if compressed && rest != "" && base(rest) {
		return true
	}
	for _, mark := range RotatedMarks {
		if b, ok := strings.CutSuffix(rest, mark); ok {
			return len(b) > 1 && isSeparator(b[len(b)-1]) && base(b[:len(b)-1])
		}
	}
	bases := 0
	for i := len(rest) - 2; i > 0 && bases < maxBases && isDatePart(rest[i+1]); i-- {
		if isSeparator(rest[i]) && isDigit(rest[i+1]) {
			if base(rest[:i]) {
				return true
			}
			bases++
		}
	}
	return false
}

func isSeparator(c byte) bool { return c == '.' || c == '_' || c == '-' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isDatePart(c byte) bool  { return isDigit(c) || isSeparator(c) || c == ':' || c == 'T' }
