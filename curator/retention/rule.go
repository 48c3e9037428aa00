package retention

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/option"
)

// A level is where a rule stands. Of two rules that hold for an index the one of the higher level is taken;
// within a level the one whose pattern has more letters that are not *, and a whole name before any pattern.
type level int

const (
	byDefault level = iota
	byNamespace
	byApp
	byBoth // app in a namespace
	byIndex
)

// A rule says how long some indices are kept.
type rule struct {
	level   level
	name    string // as errors and plans show it: namespaces "payments"
	pattern string
	regex   *regexp.Regexp // of an index pattern that begins with ^
	exact   bool           // the pattern is one whole name
	letters int            // of the pattern that stand for themselves

	never bool
	age   time.Duration // 0: no limit
	size  int64         // bytes; 0: no limit
	keep  time.Duration // 0: none
}

// readRules reads all rules and puts the most specific first.
func (p *Policy) readRules(o *options) (errs []error) {
	add := func(l level, section, pattern string, v any) {
		r := &rule{level: l, pattern: pattern, name: section}
		if section != "default" {
			r.name = section + " " + quoted(pattern)
		}
		err := r.read(v, p.Name, p.disk != nil)
		if err == nil {
			if err = r.readPattern(); err != nil {
				err = fmt.Errorf("%s: %s: %w", p.Name, r.name, err)
			}
		}
		if err != nil {
			errs = append(errs, err)
			return
		}
		p.rules = append(p.rules, r)
	}
	for pattern, v := range o.Indices {
		add(byIndex, "indices", pattern, v)
	}
	for pattern, v := range o.Apps {
		l := byApp
		if strings.Contains(pattern, "/") {
			l = byBoth
		}
		add(l, "apps", pattern, v)
	}
	for pattern, v := range o.Namespaces {
		add(byNamespace, "namespaces", pattern, v)
	}
	if o.Default != nil {
		add(byDefault, "default", "*", o.Default)
	}
	slices.SortFunc(p.rules, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(b.level, a.level), -compareBool(a.exact, b.exact), cmp.Compare(b.letters, a.letters), cmp.Compare(a.pattern, b.pattern))
	})
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	switch {
	case len(errs) > 0:
	case len(p.rules) == 0:
		errs = append(errs, fmt.Errorf("%s: the policy has no rule: write \"default: 7d\", or name namespaces, apps or indices", p.Name))
	case len(p.rules) > maxRules:
		errs = append(errs, fmt.Errorf("%s: the policy has more than %d rules", p.Name, maxRules))
	default:
		errs = p.ties()
	}
	return errs
}

// quoted is a pattern in quotes, and one with backslashes as YAML's single quotes show it.
func quoted(pattern string) string {
	if strings.Contains(pattern, `\`) && strconv.CanBackquote(pattern) {
		return "'" + pattern + "'"
	}
	return strconv.Quote(pattern)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// ties reports rules that are as specific as each other and could both hold for one index.
func (p *Policy) ties() (errs []error) {
	for i, a := range p.rules {
		for _, b := range p.rules[i+1:] {
			if a.level != b.level || a.exact || b.exact || a.letters != b.letters {
				break
			}
			if alike := a.size == 0 && a.says() == b.says(); !alike && a.meets(b) {
				errs = append(errs, fmt.Errorf("%s: %s and %s are as specific as each other and can hold for the same index: name one of them more exactly", p.Name, a.name, b.name))
				if len(errs) == 20 {
					return errs
				}
			}
		}
	}
	return errs
}

// read sets what the rule says.
func (r *rule) read(v any, file string, disk bool) error {
	what := file + ": " + r.name
	var o ruleOptions
	switch v := v.(type) {
	case map[string]any:
		if err := setting.Unpack(v, &o, what); err != nil {
			return err
		}
	case string:
		if strings.TrimSpace(v) == "never" {
			r.never = true
			return nil
		}
		o.Age = v
	case int64, float64:
		o.Age = fmt.Sprint(v)
	case nil:
		return fmt.Errorf("%s: it says nothing: write an age such as 7d, or never", what)
	default:
		return fmt.Errorf("%s must be an age such as 7d, never, or a section with age, size and keep_at_least, not %s", what, setting.Show(fmt.Sprint(v)))
	}
	if o.Age == "never" {
		return fmt.Errorf("%s: \"age\" must be a length of time such as 7d; leave it out for no limit, or write \"never\" in place of the section", what)
	}
	for _, part := range []struct {
		name, text string
		set        func(string) error
	}{
		{"age", o.Age, func(s string) (err error) { r.age, err = parseAge(s); return }},
		{"size", o.Size, func(s string) (err error) { r.size, err = parseSize(s); return }},
		{"keep_at_least", o.KeepAtLeast, func(s string) (err error) { r.keep, err = parseAge(s); return }},
	} {
		if part.text == "" {
			continue
		}
		if err := part.set(part.text); err != nil {
			if _, section := v.(map[string]any); section {
				return fmt.Errorf("%s: option %q %w", what, part.name, err)
			}
			return fmt.Errorf("%s %w", what, err)
		}
	}
	switch {
	case r.age == 0 && r.size == 0 && (r.keep == 0 || !disk):
		return fmt.Errorf("%s: nothing would ever be deleted by it: write an age or a size, or \"never\" if that is meant", what)
	case r.age > 0 && r.keep > r.age:
		return fmt.Errorf("%s: \"keep_at_least\" (%s) is longer than \"age\" (%s)", what, Age(r.keep), Age(r.age))
	}
	return nil
}

// hostIdiom stands in the well-known regular expression of host names, which allows neither the _ that
// podbeat writes for dots nor labels that begin with a digit.
const hostIdiom = `[a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*`

// Indices cannot have these in their names.
const neverInNames = `\/?"<>| ,#:`

func (r *rule) readPattern() error {
	pat := r.pattern
	if r.level == byIndex && strings.HasPrefix(pat, "^") {
		re, err := regexp.Compile(pat)
		if err != nil {
			return fmt.Errorf("cannot read the regular expression: %w (RE2 syntax: https://github.com/google/re2/wiki/Syntax)", err)
		}
		r.regex = re
		if tail, err := regexp.Compile(pat[1:]); err == nil {
			prefix, _ := tail.LiteralPrefix()
			r.letters = len(prefix)
		}
		return nil
	}
	parts := strings.Split(pat, "/")
	bad := neverInNames
	if r.level == byBoth {
		bad = strings.Replace(bad, "/", "", 1)
	}
	switch {
	case pat == "" || slices.Contains(parts, ""):
		return errors.New("the name is empty")
	case len(pat) > 2*maxName:
		return fmt.Errorf("the name is longer than %d bytes", 2*maxName)
	case len(parts) > 2:
		return errors.New("write NAMESPACE/APP")
	case strings.ContainsAny(pat, bad):
		return fmt.Errorf("no name has one of %s in it", bad)
	case pat != strings.ToLower(pat):
		return fmt.Errorf("names of indices are in lower case: write %q", strings.ToLower(pat))
	case r.level == byIndex && strings.HasPrefix(pat, "{"):
		return errors.New("how names are read is said by \"names\"")
	}
	r.letters = len(strings.ReplaceAll(pat, "*", ""))
	r.exact = r.level != byDefault && !strings.Contains(pat, "*")
	return nil
}

// holds says whether the rule holds for an index of this name, read so. Nil: nothing reads it.
func (r *rule) holds(index string, as *reading) bool {
	switch {
	case r.regex != nil:
		return r.regex.MatchString(index) && (!strings.HasPrefix(index, ".") || strings.HasPrefix(r.pattern, `^\.`))
	case r.level == byIndex:
		return glob(r.pattern, index) && (!strings.HasPrefix(index, ".") || strings.HasPrefix(r.pattern, "."))
	case as == nil:
		return false
	case r.level == byDefault:
		return true
	case r.level == byNamespace:
		return as.namespace != "" && glob(r.pattern, as.namespace)
	case r.level == byApp:
		return as.app != "" && glob(r.pattern, as.app)
	}
	namespace, app, _ := strings.Cut(r.pattern, "/")
	return as.namespace != "" && as.app != "" && glob(namespace, as.namespace) && glob(app, as.app)
}

// keepsLonger says whether the rule keeps an index longer than b does. No rule keeps it for ever.
func (r *rule) keepsLonger(b *rule) bool { return r.rank() > b.rank() }

func (r *rule) rank() time.Duration {
	switch {
	case r == nil || r.never:
		return maxAge + 2
	case r.age == 0:
		return maxAge + 1
	}
	return r.age
}

// String is the rule with what it says.
func (r *rule) String() string { return r.name + ": " + r.says() }

func (r *rule) says() string {
	if r.never {
		return "never"
	}
	var parts []string
	if r.age > 0 {
		parts = append(parts, "age "+Age(r.age))
	}
	if r.size > 0 {
		parts = append(parts, "size "+option.Bytes(r.size).String())
	}
	if r.keep > 0 {
		parts = append(parts, "keep_at_least "+Age(r.keep))
	}
	return strings.Join(parts, ", ")
}

// meets says whether both rules can hold for one index. Of regular expressions it is enough that what they begin
// with agrees.
func (r *rule) meets(b *rule) bool {
	if r.regex == nil && b.regex == nil {
		return globsMeet(r.pattern, b.pattern)
	}
	return globsMeet(r.begins(), b.begins())
}

func (r *rule) begins() string {
	if r.regex == nil {
		return r.pattern
	}
	tail, err := regexp.Compile(r.pattern[1:])
	if err != nil {
		return "*"
	}
	prefix, _ := tail.LiteralPrefix()
	return prefix + "*"
}

// glob says whether s matches pattern, in which * stands for any text, also none.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == s[j]:
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// globsMeet says whether any text matches both patterns.
func globsMeet(a, b string) bool {
	// can[j] says whether a[i:] and b[j:] have a text in common; rows from the last to the first.
	var can []bool
	for i := len(a); i >= 0; i-- {
		next := can
		can = make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				can[j] = true
			case i < len(a) && a[i] == '*':
				can[j] = next[j] || j < len(b) && can[j+1]
			case j < len(b) && b[j] == '*':
				can[j] = can[j+1] || i < len(a) && next[j]
			default:
				can[j] = i < len(a) && j < len(b) && a[i] == b[j] && next[j+1]
			}
		}
	}
	return can[0]
}

// look notes what is odd about the policy.
func (p *Policy) look() {
	for _, r := range p.rules {
		if r.regex != nil || r.level != byIndex || r.exact {
			continue
		}
		for _, t := range p.names {
			if glob(r.pattern, t.sample()) {
				p.warnings = append(p.warnings, fmt.Sprintf("%s matches every name that %q reads: the default and the rules for namespaces and apps never hold for those", r.name, t.text))
			}
		}
	}
	reads := func(what func(template) bool) bool { return slices.ContainsFunc(p.names, what) }
	has := func(ls ...level) bool {
		return slices.ContainsFunc(p.rules, func(r *rule) bool { return slices.Contains(ls, r.level) })
	}
	if has(byNamespace, byBoth) && !reads(func(t template) bool { return t.has("namespace") }) {
		p.warnings = append(p.warnings, "the rules for namespaces never hold: no template in \"names\" has {namespace}; write how your indices are named, such as logs-{namespace}-{app}-{date}")
	}
	if has(byApp, byBoth) && !reads(func(t template) bool { return t.has("app") }) {
		p.warnings = append(p.warnings, "the rules for apps never hold: no template in \"names\" has {app}; write how your indices are named, such as logs-{namespace}-{app}-{date}")
	}
	for _, t := range p.names {
		if pair := t.ambiguous(); pair != "" && has(byNamespace, byApp, byBoth) {
			p.warnings = append(p.warnings, fmt.Sprintf("%q can read one name in several ways, as %s may have the same letters in them: an index is then kept as long as the longest of the rules says; a separator such as _ tells them apart", t.text, pair))
		}
	}
}
