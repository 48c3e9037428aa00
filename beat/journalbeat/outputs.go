package journalbeat

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/podbeat/podbeat/option"
)

// outputs keeps the names under which the data arrives: what journalbeat did not say was its own
// name, and would be podbeat's.
func (m *migration) outputs() {
	options := m.doc.options()
	var used []string
	for name, value := range options {
		rest, ok := strings.CutPrefix(name, "output.")
		output, _, deeper := strings.Cut(rest, ".")
		if ok && (deeper || value.Kind == yaml.MappingNode) && !is(options["output."+output+".enabled"], "false") && !slices.Contains(used, output) {
			used = append(used, output)
		}
	}
	slices.Sort(used)
	if len(used) > 1 {
		m.warn("podbeat sends to one output only, here are %s: set enabled: false for the others", quote(strings.Join(used, ", ")))
	}
	given := func(name string) bool {
		for option, value := range options {
			if option == name || strings.HasPrefix(option, name+".") {
				return true
			}
			if strings.HasPrefix(name, option+".") && value.Kind != yaml.MappingNode && value.Kind != yaml.AliasNode && value.ShortTag() != "!!null" {
				return true // what should be a section is none: leave that to libbeat
			}
		}
		return false
	}
	name := func(output, option string) {
		if slices.Contains(used, output) && !given("output."+output+"."+option) {
			m.doc.add("output."+output+"."+option, str("journalbeat"), "Without it this would be podbeat.")
		}
	}
	name("file", "filename")
	if !given("output.redis.index") && !given("output.redis.keys") {
		name("redis", "key")
	}
	if slices.Contains(used, "logstash") {
		name("logstash", "index")
		m.note("output.logstash.index is what Logstash has as [@metadata][beat]: it keeps the names of the indices that Logstash makes")
		m.note("Logstash has every event's id as [@metadata][_id]: with document_id => \"%%{[@metadata][_id]}\" and action => \"create\" in its elasticsearch output no event is indexed twice")
		if !m.elastic {
			m.note("[@metadata][type], which was the field type, is _doc now: Logstash has the type in [type]")
		}
	}
	if slices.Contains(used, "elasticsearch") {
		m.elasticsearch(options, given)
	}
}

// elasticsearch keeps the name of the index, and takes out what podbeat's output would refuse.
func (m *migration) elasticsearch(options map[string]*yaml.Node, given func(string) bool) {
	const output = "output.elasticsearch."
	noTemplate := is(options[output+"template.enabled"], "false")
	if given(output + "template") {
		m.warn("took out output.elasticsearch.template: it is setup.template now, and templates made for journalbeat do not fit Elasticsearch 7 and later")
		m.doc.remove(output + "template")
	}
	for _, old := range []string{"flush_interval", "save_topology", "topology_expire", "host", "port", "tls"} {
		if given(output + old) {
			m.note("took out output.elasticsearch.%s: libbeat 7 has no such option", old)
			m.doc.remove(output + old)
		}
	}
	index := "journalbeat-%{+yyyy.MM.dd}"
	if node := options[output+"index"]; node != nil {
		index = node.Value
	} else if given(output + "indices") {
		return
	} else {
		m.doc.add(output+"index", str(index), "Without it this would be logstash-podbeat-<host>-<day>; the day has to be the event's.")
		m.note("output.elasticsearch.index: the index keeps the name that readers of journalbeat-* look for")
	}
	if given("setup.ilm") {
		m.warn("setup.ilm: an index that rolls over takes an event again that is sent twice; without it the index is that of the event's day, which knows the event by its id")
	}
	if given("setup.template.enabled") {
		return
	}
	prefix := index
	if i := strings.IndexAny(prefix, "%$"); i >= 0 {
		prefix = prefix[:i]
	}
	name := strings.TrimRight(prefix, "-_.")
	if noTemplate || name == "" {
		m.doc.add("setup.template.enabled", boolean(false), "")
		return
	}
	if !given("setup.template.name") {
		m.doc.add("setup.template.name", str(name), "")
	}
	if !given("setup.template.pattern") {
		m.doc.add("setup.template.pattern", str(prefix+"*"), "")
	}
}

// old are options of libbeat 5 and 6 that mean nothing to libbeat 7.
var old = []struct{ name, instead string }{
	{"bulk_queue_size", ""},
	{"dashboards", "setup.dashboards"},
	{"filters", "processors"},
	{"geoip", ""},
	{"ignore_outgoing", ""},
	{"output.logstash.port", "the port in output.logstash.hosts; podbeat does not start with it"},
	{"output.redis.port", "the port in output.redis.hosts; podbeat does not start with it"},
	{"queue.spool", "queue.disk"},
	{"queue_size", "queue.mem.events"},
	{"refresh_topology_freq", ""},
	{"shipper", "name, tags"},
	{"topology_expire", ""},
	{"xpack.monitoring", "monitoring"},
}

// removed notes what podbeat's libbeat passes over in silence, and takes out the sections with which podbeat would not start.
func (m *migration) removed() {
	options := m.doc.options()
	for _, o := range old {
		found := false
		for name := range options {
			found = found || name == o.name || strings.HasPrefix(name, o.name+".")
		}
		what := o.name + " has no effect in podbeat"
		if !option.IsTopLevel(o.name) {
			what = "took out " + o.name + ", which podbeat does not have"
		}
		switch {
		case found && o.instead != "":
			m.warn("%s: use %s", what, o.instead)
		case found:
			m.note("%s", what)
		}
	}
	for _, s := range m.doc.sections {
		name, _, _ := strings.Cut(s.name, ".")
		switch {
		case s.gone || option.IsTopLevel(name) || name == "<<" || m.refersTo(name):
			continue
		case anchored(s.pair): // others may need what is in it
			s.edited, s.pair.Content[0].Value = true, "x-"+s.name
			m.note("called %s x-%s: podbeat has no such section", s.name, s.name)
			continue
		case !slices.ContainsFunc(old, func(o struct{ name, instead string }) bool { return o.name == name }):
			m.warn("took out %s: podbeat has no such section", s.name)
		}
		s.gone = true
	}
	fields := map[string]bool{}
	for _, s := range m.doc.sections {
		if s.gone || s.name == inputsKey {
			continue
		}
		scalars(s.pair, func(n *yaml.Node) {
			for _, f := range []string{"beat.name", "beat.hostname", "beat.version"} {
				if n.Value == f || strings.Contains(n.Value, "%{["+f+"]") {
					fields[f] = true
				}
			}
		})
	}
	for _, f := range []string{"beat.name", "beat.hostname", "beat.version"} {
		if fields[f] {
			m.warn("the field %s is called %s now", f, strings.Replace(f, "beat.", "agent.", 1))
		}
	}
}

// refersTo says whether a setting is made of others that are at the top level under name, as ${es.host} is: podbeat takes that, too.
func (m *migration) refersTo(name string) bool {
	return slices.ContainsFunc(m.doc.sections, func(s *section) bool { return !s.gone && mentions(s.pair, name) })
}

func mentions(n *yaml.Node, name string) bool {
	_, after, found := strings.Cut(n.Value, "${"+name)
	return found && after != "" && strings.Contains(".:}", after[:1]) || slices.ContainsFunc(n.Content, func(n *yaml.Node) bool { return mentions(n, name) })
}

// anchored says whether there is an anchor in n.
func anchored(n *yaml.Node) bool { return n.Anchor != "" || slices.ContainsFunc(n.Content, anchored) }

// includeFields takes @metadata out of the include_fields of a list of processors: journalbeat
// kept it at any rate, podbeat does too, and libbeat 7 makes a second copy among the fields, over
// which Logstash loses the first.
func (m *migration) includeFields(processors *yaml.Node, in *section) {
	for _, p := range processors.Content {
		if p.Kind != yaml.MappingNode {
			continue
		}
		options := map[string]*yaml.Node{}
		flatten(options, "", p, 0)
		fields := options["include_fields.fields"]
		if fields == nil || fields.Kind != yaml.SequenceNode {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(fields.Content), func(n *yaml.Node) bool { return n.Value == "@metadata" })
		if len(kept) < len(fields.Content) {
			fields.Content = kept
			m.note("took @metadata out of include_fields: it is always kept, and libbeat 7 would copy it among the fields, where Logstash takes the copy for the original")
			if in != nil {
				in.edited = true
			}
		}
	}
}
