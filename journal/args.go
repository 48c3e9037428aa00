package journal

import "fmt"

// ParseMatches reads matches as journalctl's command line has them: FIELD=value each. Those of one
// field widen each other, those of different fields narrow each other, and a "+" begins an alternative
// to all before it. Nothing at all passes everything.
func ParseMatches(args ...string) (Filter, error) {
	var g Group
	var t Term
	for i, a := range args {
		if a != "+" {
			t = append(t, a)
			continue
		}
		if len(t) == 0 || i == len(args)-1 {
			return nil, fmt.Errorf("cannot use match %q: want FIELD=value before and after it", a)
		}
		g, t = append(g, t), nil
	}
	if len(t) > 0 {
		g = append(g, t)
	}
	if len(g) == 0 {
		return nil, nil
	}
	f := Filter{g}
	return f, f.Check()
}
